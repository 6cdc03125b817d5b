import type { Readable } from 'node:stream';
import { UpstreamError } from './upstream-error.js';

export interface BodyLimits {
  /** Most bytes that are taken, whatever the headers promise. */
  readonly maxBytes: number;
  /** Longest silence in milliseconds. */
  readonly idleMs: number;
  /** The deadline of the whole. */
  readonly signal: AbortSignal;
}

/** What is read of a body that nobody wants, in bytes and milliseconds, to have its connection for the next request. */
const MAX_DISCARDED_BYTES = 64 * 1024;
const MAX_DISCARDING_MS = 1_000;

/** Lets go of a body. A short one is read to its end, because a connection with an unread body cannot be used again. */
export function discard(body: Readable): void {
  if (body.destroyed) return;
  let bytes = 0;
  const timer = setTimeout(() => body.destroy(), MAX_DISCARDING_MS).unref();
  body.once('close', () => clearTimeout(timer));
  body.on('error', () => undefined);
  body.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (bytes > MAX_DISCARDED_BYTES) body.destroy();
  });
}

/**
 * Reads a body into memory; destroys it when it is too long, too slow or too late.
 * @throws UpstreamError class protocol, timeout or connect
 */
export async function readBody(body: Readable, limits: BodyLimits): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of idleGuarded(body, limits)) {
    bytes += chunk.byteLength;
    if (bytes > limits.maxBytes) {
      body.destroy();
      throw new UpstreamError('protocol', `the upstream sent more than ${limits.maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}

/**
 * The chunks of a body, with an end to each silence and to the whole. A body that breaks is a failure, never an end.
 * @throws UpstreamError class timeout or connect
 */
export async function* idleGuarded(
  body: Readable,
  limits: Pick<BodyLimits, 'idleMs' | 'signal'>,
): AsyncGenerator<Buffer, void, undefined> {
  const late = new UpstreamError('timeout', 'the upstream stopped sending');
  const expire = () => body.destroy(late);
  let timer = setTimeout(expire, limits.idleMs);
  limits.signal.addEventListener('abort', expire, { once: true });
  try {
    if (limits.signal.aborted) throw late;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      clearTimeout(timer);
      yield chunk;
      timer = setTimeout(expire, limits.idleMs);
    }
  } catch (error) {
    // The client of the request watches the signal too, and may be the first to break the body off.
    if (error === late || limits.signal.aborted) throw late;
    throw new UpstreamError('connect', 'the connection to the upstream broke', {
      cause: new Error(String((error as { code?: unknown } | null)?.code ?? 'UNKNOWN')),
    });
  } finally {
    clearTimeout(timer);
    limits.signal.removeEventListener('abort', expire);
    body.destroy();
  }
}
