import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Digest, type OpenBlob, RegistryError, type Repository } from '@breakwater/registry-core';
import type { ExtraHeaders } from './answer-manifest.js';
import { hasAlready } from './if-none-match.js';
import { type ByteRange, parseRange } from './range.js';
import { ReadBuffers, type ReaderBuffers } from './read-buffers.js';
import { tellServed } from './served.js';

/**
 * Answers HEAD or GET of a blob, with `Range` (distribution-spec, "Pulling blobs"). The first bytes are read before the
 * head is written, so that a blob which cannot be read is still an error and not a cut connection. A client that has it
 * (`If-None-Match`) gets a 304. Closes the blob.
 *
 * @param buffers memory of this and all other answers with blobs
 * @throws RegistryError SIZE_INVALID with status 416, and whatever reading throws before the head is out
 */
export async function answerBlob(
  request: IncomingMessage,
  response: ServerResponse,
  repository: Repository,
  digest: Digest,
  blob: OpenBlob,
  extra: ExtraHeaders,
  buffers = new ReadBuffers(),
): Promise<void> {
  let own: ReaderBuffers | undefined;
  let unused = false;
  try {
    if (hasAlready(request, digest)) {
      await tellServed(response, { repository, kind: 'blob', digest });
      response.writeHead(304, { ...headersOf(digest), ...extra });
      response.end();
      return;
    }
    // Ranges are defined for GET only (RFC 9110, 14.2).
    const ranged = request.method === 'GET' && ifRangeHolds(request, digest);
    const wanted = ranged ? parseRange(request.headers.range, blob.size) : undefined;
    if (wanted === 'unsatisfiable') {
      throw new RegistryError('SIZE_INVALID', `the blob has ${blob.size} bytes`, {
        status: 416,
        reasonPhrase: 'Range Not Satisfiable',
        headers: { 'content-range': `bytes */${blob.size}` },
      });
    }
    const range = wanted ?? { start: 0, end: blob.size };
    const send = request.method !== 'HEAD';
    if (send) own = buffers.enter(range.end - range.start);
    const first = own === undefined ? undefined : await readInto(own.take(), blob, range.start, range.end);
    await tellServed(response, { repository, kind: 'blob', digest });
    response.writeHead(wanted === undefined ? 200 : 206, {
      'content-type': 'application/octet-stream',
      'content-length': range.end - range.start,
      ...(wanted === undefined ? {} : { 'content-range': `bytes ${range.start}-${range.end - 1}/${blob.size}` }),
      ...headersOf(digest),
      ...extra,
    });
    if (first === undefined || own === undefined) response.end();
    else unused = await pump(response, blob, range, first, own);
  } finally {
    own?.leave(unused);
    await blob.close();
  }
}

/** What says which blob it is, and how it may be used. */
function headersOf(digest: Digest) {
  return {
    'accept-ranges': 'bytes',
    'docker-content-digest': digest,
    etag: `"${digest}"`,
    'docker-distribution-api-version': 'registry/2.0',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; sandbox",
  };
}

function ifRangeHolds(request: IncomingMessage, digest: Digest): boolean {
  const condition = request.headers['if-range'];
  return condition === undefined || condition === `"${digest}"`;
}

interface FilledBuffer {
  readonly buffer: Buffer;
  readonly bytes: number;
}

async function readInto(buffer: Buffer, blob: OpenBlob, position: number, end: number): Promise<FilledBuffer> {
  const room = Math.min(buffer.byteLength, end - position);
  if (room <= 0) return { buffer, bytes: 0 };
  return { buffer, bytes: await blob.read(room === buffer.byteLength ? buffer : buffer.subarray(0, room), position) };
}

/**
 * Moves bytes through two buffers which take turns: one is read into while the other is on its way to the client. A
 * buffer is used again only once the kernel has its bytes, so a slow client holds two buffers and no more. Resolves to whether
 * the buffers are free: after a client that has gone they may not be.
 */
async function pump(
  response: ServerResponse,
  blob: OpenBlob,
  range: ByteRange,
  first: FilledBuffer,
  buffers: ReaderBuffers,
): Promise<boolean> {
  let position = range.start;
  let filled = first;
  let spare: Buffer | undefined;
  while (position < range.end) {
    if (filled.bytes === 0) throw new Error(`the blob ended at byte ${position} of ${range.end}`);
    const written = write(response, filled.buffer.subarray(0, filled.bytes));
    position += filled.bytes;
    let next: FilledBuffer | undefined;
    if (position < range.end) {
      spare ??= buffers.take();
      const reading = readInto(spare, blob, position, range.end);
      const [outcome] = await Promise.allSettled([reading, written]);
      if (outcome.status === 'rejected') throw outcome.reason;
      next = outcome.value;
    }
    if (!(await written)) return false;
    if (next === undefined) break;
    spare = filled.buffer;
    filled = next;
  }
  response.end();
  return true;
}

/** Resolves to false when the client has gone. */
function write(response: ServerResponse, bytes: Buffer): Promise<boolean> {
  if (response.destroyed) return Promise.resolve(false);
  return new Promise((resolve) => {
    const gone = () => resolve(false);
    response.once('close', gone);
    response.write(bytes, (error) => {
      response.removeListener('close', gone);
      resolve(error === undefined || error === null);
    });
  });
}
