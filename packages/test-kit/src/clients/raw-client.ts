import { createHash } from 'node:crypto';
import { type Agent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';

export interface RawRequestOptions {
  /** GET unless told. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Milliseconds for the whole exchange; 20 s unless told. */
  readonly timeoutMs?: number;
  /** The certificate to trust; without one any certificate is accepted. */
  readonly ca?: string;
  /** A connection of its own for each request unless told. */
  readonly agent?: Agent;
}

/** What came back, byte for byte. */
export interface RawAnswer {
  readonly status: number;
  readonly reasonPhrase: string;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  /** Hash of the bytes, 64 hexadecimal digits. */
  readonly sha256: string;
  /** True when the body ended before its announced end, or the connection broke, or time ran out. */
  readonly cut: boolean;
  /** Milliseconds from the request to the headers, and to the end. */
  readonly headersAfterMs: number;
  readonly endedAfterMs: number;
}

/** No header came in time; an error with this `code` says so. */
export const RAW_TIMEOUT = 'RAW_TIMEOUT';

const DEFAULT_TIMEOUT_MS = 20_000;

/**
 * One request, by code that shares nothing with the product: no redirects, no decoding, no retries.
 *
 * @throws the system's error (`code` ECONNREFUSED, ECONNRESET, …) or RAW_TIMEOUT, when there is no status line
 */
export function rawGet(url: string, options: RawRequestOptions = {}): Promise<RawAnswer> {
  const started = performance.now();
  const elapsed = () => performance.now() - started;
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
    const outgoing = send(url, {
      method: options.method ?? 'GET',
      headers: { ...options.headers },
      agent: options.agent ?? false,
      maxHeaderSize: 1024 * 1024,
      ...(options.ca === undefined ? { rejectUnauthorized: false } : { ca: options.ca }),
    });
    const timer = setTimeout(
      () => outgoing.destroy(Object.assign(new Error('no answer in time'), { code: RAW_TIMEOUT })),
      options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    );
    outgoing.once('close', () => clearTimeout(timer));
    outgoing.maxHeadersCount = 0;
    outgoing.once('error', reject);
    outgoing.once('response', (incoming) => {
      // From here on `cut` reports what breaks. A reset is not an end, though the parser takes it for one.
      let broken = false;
      outgoing.removeListener('error', reject);
      outgoing.on('error', () => {
        broken = true;
      });
      const headersAfterMs = elapsed();
      collect(incoming, (bytes) => {
        const { statusCode = 0, statusMessage = '', headers } = incoming;
        const announced = Number(headers['content-length'] ?? bytes.byteLength);
        const hasBody = options.method !== 'HEAD' && statusCode !== 204 && statusCode !== 304;
        resolve({
          status: statusCode,
          reasonPhrase: statusMessage,
          headers,
          bytes,
          sha256: createHash('sha256').update(bytes).digest('hex'),
          cut: broken || !incoming.complete || (hasBody && announced !== bytes.byteLength),
          headersAfterMs,
          endedAfterMs: elapsed(),
        });
      });
    });
    outgoing.end(options.body);
  });
}

function collect(incoming: IncomingMessage, done: (bytes: Buffer) => void): void {
  const chunks: Buffer[] = [];
  incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
  incoming.on('error', () => undefined);
  incoming.once('close', () => done(Buffer.concat(chunks)));
}
