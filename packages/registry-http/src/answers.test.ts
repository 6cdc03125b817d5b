import { Agent, createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Digest,
  digestOf,
  type LogFields,
  type Logger,
  OCI_MANIFEST,
  type OpenBlob,
  RegistryError,
} from '@breakwater/registry-core';
import { buildImage, type RawAnswer, type RawRequestOptions, rawGet, repositoryOf } from '@breakwater/test-kit';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { answerBlob } from './answer-blob.js';
import { answerError } from './answer-error.js';
import { answerManifest } from './answer-manifest.js';
import { requestId } from './request-id.js';
import { observeServed, type Served } from './served.js';

const repository = repositoryOf('org/app');
const image = buildImage({ seed: 'answers' });
const manifest = { ...image.manifest, mediaType: OCI_MANIFEST } as const;
const blobBytes = Buffer.from(Array.from({ length: 2_500_000 }, (_, at) => at % 251));
const blobDigest = digestOf(blobBytes);

/** A blob in memory that counts. */
class CountingBlob implements OpenBlob {
  readonly size: number;
  closed = 0;
  reads = 0;
  /** Read calls that failed from this position on. */
  failFrom = Number.POSITIVE_INFINITY;
  /** The most that one read gives. */
  most = Number.POSITIVE_INFINITY;
  readonly buffers = new Set<ArrayBufferLike>();

  constructor(readonly bytes: Buffer) {
    this.size = bytes.byteLength;
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    if (position >= this.failFrom) throw new Error('the disk is gone');
    this.reads += 1;
    this.buffers.add(buffer.buffer);
    const part = this.bytes.subarray(position, position + Math.min(buffer.byteLength, this.most));
    buffer.set(part);
    return part.byteLength;
  }

  async close(): Promise<void> {
    this.closed += 1;
  }
}

let server: Server;
let base: string;
let handler: (request: IncomingMessage, response: ServerResponse) => Promise<void> | undefined;
let logged: { readonly fields: LogFields; readonly message: string }[];
const logger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error: (fields, message) => void logged.push({ fields, message }),
};

beforeEach(async () => {
  logged = [];
  server = createServer((request, response) => {
    Promise.resolve(handler(request, response)).catch((error: unknown) =>
      answerError(request, response, error, logger),
    );
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

function get(options: RawRequestOptions = {}): Promise<RawAnswer> {
  return rawGet(`${base}/`, options);
}

function withoutDate({ headers }: RawAnswer) {
  const { date: _, ...rest } = headers;
  return rest;
}

function serveBlob(blob: OpenBlob, digest: Digest = blobDigest): void {
  handler = (request, response) =>
    answerBlob(request, response, repository, digest, blob, { 'cache-status': 'X; hit' });
}

describe('manifests', () => {
  test.each([1, 12 * 1024, 12 * 1024 + 1, 300_000])(
    'of %i bytes, of whatever value, go out as they are',
    async (size) => {
      const bytes = Buffer.from(Array.from({ length: size }, (_, at) => 255 - (at % 256)));
      // A view into a larger buffer, as the database's driver hands them out.
      const view = Buffer.concat([Buffer.from('before'), bytes, Buffer.from('after')]).subarray(6, 6 + size);
      handler = (request, response) =>
        Promise.resolve(answerManifest(request, response, repository, { ...manifest, bytes: view }, { age: '3' }));
      const answer = await get();
      expect(answer.bytes.equals(bytes)).toBe(true);
      expect(answer.headers['content-length']).toBe(String(size));
    },
  );

  beforeEach(() => {
    handler = (request, response) =>
      Promise.resolve(answerManifest(request, response, repository, manifest, { age: '3' }));
  });

  test('the stored bytes under exactly their type, and HEAD says what GET says', async () => {
    const [answer, head] = [await get(), await get({ method: 'HEAD' })];
    expect(answer.status).toBe(200);
    expect(answer.bytes.equals(manifest.bytes)).toBe(true);
    expect(withoutDate(answer)).toMatchObject({
      'content-type': OCI_MANIFEST,
      'content-length': String(manifest.bytes.byteLength),
      'docker-content-digest': manifest.digest,
      etag: `"${manifest.digest}"`,
      age: '3',
    });
    expect([head.status, head.bytes.byteLength, head.cut]).toEqual([200, 0, false]);
    expect(withoutDate(head)).toEqual(withoutDate(answer));
  });

  test('a client that has it gets a 304 without a body', async () => {
    for (const condition of conditionsFor(manifest.digest)) {
      const answer = await get({ headers: { 'If-None-Match': condition } });
      expect([condition, answer.status, answer.bytes.byteLength]).toEqual([condition, 304, 0]);
    }
    for (const condition of ['"another"', manifest.digest, '"another", W/"*"', '']) {
      expect((await get({ headers: { 'If-None-Match': condition } })).status).toBe(200);
    }
  });
});

/** What a client may say that has something (RFC 9110, 13.1.2). */
const conditionsFor = (digest: string) => [`"${digest}"`, `W/"${digest}"`, `"another", W/"${digest}"`, '*'];

describe('blobs', () => {
  test('the bytes, and HEAD says what GET says', async () => {
    const blob = new CountingBlob(blobBytes);
    serveBlob(blob);
    const [answer, head] = [await get(), await get({ method: 'HEAD' })];
    expect([answer.status, answer.cut, answer.bytes.equals(blobBytes)]).toEqual([200, false, true]);
    expect(withoutDate(answer)).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': String(blobBytes.byteLength),
      'docker-content-digest': blobDigest,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      'accept-ranges': 'bytes',
    });
    expect(withoutDate(head)).toEqual(withoutDate(answer));
    expect(blob.closed).toBe(2);
  });

  test('reads that give less than asked still make the whole', async () => {
    const blob = new CountingBlob(blobBytes.subarray(0, 100_000));
    blob.most = 7_001;
    serveBlob(blob);
    expect((await get()).bytes.equals(blob.bytes)).toBe(true);
    expect(blob.buffers.size).toBe(2);
  });

  test('an empty blob', async () => {
    serveBlob(new CountingBlob(Buffer.alloc(0)), digestOf(Buffer.alloc(0)));
    const answer = await get();
    expect([answer.status, answer.headers['content-length'], answer.cut]).toEqual([200, '0', false]);
  });

  test.each([
    ['bytes=0-9', 206, 'bytes 0-9/2500000', 0, 10],
    ['bytes=-7', 206, 'bytes 2499993-2499999/2500000', 2_499_993, 2_500_000],
    ['bytes=1000-2400000', 206, 'bytes 1000-2400000/2500000', 1_000, 2_400_001],
    ['bytes=2499999-99999999', 206, 'bytes 2499999-2499999/2500000', 2_499_999, 2_500_000],
    ['bytes=0-1,5-6', 200, undefined, 0, 2_500_000],
    ['bytes=9-1', 200, undefined, 0, 2_500_000],
  ])('Range: %s is answered with %d', async (range, status, contentRange, start, end) => {
    serveBlob(new CountingBlob(blobBytes));
    const answer = await get({ headers: { Range: range } });
    expect([answer.status, answer.headers['content-range'], answer.cut]).toEqual([status, contentRange, false]);
    expect(answer.bytes.equals(blobBytes.subarray(start, end))).toBe(true);
  });

  test('a range beyond the end is a 416 that tells the size', async () => {
    const blob = new CountingBlob(blobBytes);
    serveBlob(blob);
    const answer = await get({ headers: { Range: 'bytes=2500000-' } });
    expect([answer.status, answer.cut]).toEqual([416, false]);
    expect(answer.headers['content-range']).toBe('bytes */2500000');
    expect(Number(answer.headers['content-length'])).toBe(answer.bytes.byteLength);
    expect(JSON.parse(answer.bytes.toString()).errors[0].code).toBe('SIZE_INVALID');
    expect(blob.closed).toBe(1);
  });

  test('a client that has it gets a 304 without a body, also when it asks for a part', async () => {
    const blob = new CountingBlob(blobBytes);
    serveBlob(blob);
    for (const condition of conditionsFor(blobDigest)) {
      const answer = await get({ headers: { 'If-None-Match': condition, Range: 'bytes=0-9' } });
      expect([condition, answer.status, answer.bytes.byteLength]).toEqual([condition, 304, 0]);
      expect(answer.headers['etag']).toBe(`"${blobDigest}"`);
    }
    expect([blob.reads, blob.closed]).toEqual([0, 4]);
    expect((await get({ headers: { 'If-None-Match': '"another"' } })).status).toBe(200);
  });

  test('If-Range of something else gets the whole', async () => {
    serveBlob(new CountingBlob(blobBytes));
    const range = { Range: 'bytes=0-9' };
    expect((await get({ headers: { ...range, 'If-Range': `"${blobDigest}"` } })).status).toBe(206);
    expect((await get({ headers: { ...range, 'If-Range': '"other"' } })).status).toBe(200);
    expect((await get({ headers: { ...range, 'If-Range': 'Mon, 01 Jan 2024 00:00:00 GMT' } })).status).toBe(200);
  });

  test('a slow client holds two buffers, and its end is the end of them', async () => {
    const blob = new CountingBlob(Buffer.alloc(64 * 1024 * 1024, 1));
    serveBlob(blob);
    const socket = connect(Number(new URL(base).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    socket.pause();
    for (let last = -1; last !== blob.reads; await sleep(200)) last = blob.reads;
    // What the kernel takes is not ours; the rest waits in two buffers.
    expect(blob.reads).toBeLessThan(20);
    expect(blob.buffers.size).toBe(2);
    expect(blob.closed).toBe(0);
    socket.destroy();
    for (let waited = 0; blob.closed === 0 && waited < 2_000; waited += 10) await sleep(10);
    expect(blob.closed).toBe(1);
    expect(logged).toEqual([]);
  });

  test('what cannot be read from the start is an error with a status', async () => {
    const blob = new CountingBlob(blobBytes);
    blob.failFrom = 0;
    serveBlob(blob);
    const answer = await get();
    expect([answer.status, answer.cut]).toEqual([500, false]);
    expect(answer.bytes.toString()).not.toContain('disk');
    expect([blob.closed, logged.length]).toEqual([1, 1]);
  });

  test('what cannot be read later cuts the connection, also one that would be kept', async () => {
    const blob = new CountingBlob(blobBytes);
    blob.failFrom = 1024 * 1024;
    serveBlob(blob);
    const agent = new Agent({ keepAlive: true });
    const answer = await get({ agent, timeoutMs: 3_000 });
    agent.destroy();
    expect([answer.status, answer.cut, blob.closed]).toEqual([200, true, 1]);
    expect(answer.bytes.byteLength).toBeLessThan(blobBytes.byteLength);
    expect(answer.endedAfterMs).toBeLessThan(2_000);
  });

  test('a blob that ends too soon cuts the connection', async () => {
    const blob = new CountingBlob(blobBytes);
    serveBlob({ size: blob.size + 1, read: (buffer, at) => blob.read(buffer, at), close: () => blob.close() });
    const answer = await get();
    expect([answer.cut, blob.closed]).toEqual([true, 1]);
  });
});

describe('who is told of what is served', () => {
  test('observers are waited for before the head', async () => {
    const told: Served[] = [];
    let release: () => void = () => undefined;
    const lease = new Promise<void>((resolve) => {
      release = resolve;
    });
    const responses: ServerResponse[] = [];
    handler = (request, answer) => {
      responses.push(answer);
      observeServed(answer, (served) => {
        told.push(served);
        return undefined;
      });
      observeServed(answer, () => lease);
      return request.url === '/blob'
        ? answerBlob(request, answer, repository, blobDigest, new CountingBlob(blobBytes), {})
        : Promise.resolve(answerManifest(request, answer, repository, manifest, {}));
    };
    const waiting = [rawGet(`${base}/manifest`), rawGet(`${base}/blob`)];
    for (let waited = 0; told.length < 2 && waited < 2_000; waited += 10) await sleep(10);
    await sleep(20);
    expect(responses.map(({ headersSent }) => headersSent)).toEqual([false, false]);
    release();
    expect((await Promise.all(waiting)).map(({ status, cut }) => [status, cut])).toEqual([
      [200, false],
      [200, false],
    ]);
    expect(told).toContainEqual({ repository, kind: 'manifest', digest: manifest.digest });
    expect(told).toContainEqual({ repository, kind: 'blob', digest: blobDigest });
  });

  test('nobody is told of an error', async () => {
    let told = 0;
    handler = (request, response) => {
      observeServed(response, () => {
        told += 1;
        return undefined;
      });
      const blob = new CountingBlob(blobBytes);
      return answerBlob(request, response, repository, blobDigest, blob, {});
    };
    await get({ headers: { Range: 'bytes=2500000-' } });
    expect(told).toBe(0);
  });
});

describe('errors', () => {
  test('say what a RegistryError says, with its phrase and headers and without those of the host', async () => {
    handler = async (_request, response) => {
      response.setHeader('X-Powered-By', 'a host');
      throw new RegistryError('UNAVAILABLE', 'the upstream cannot be asked', {
        status: 504,
        detail: { reason: 'timeout' },
        headers: { 'retry-after': '7' },
        reasonPhrase: 'Upstream Timed Out',
      });
    };
    const answer = await get({ headers: { 'X-Request-Id': 'request-0001' } });
    expect([answer.status, answer.reasonPhrase]).toEqual([504, 'Upstream Timed Out']);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'no-store',
      'retry-after': '7',
      'x-request-id': 'request-0001',
    });
    expect(answer.headers['x-powered-by']).toBeUndefined();
    expect(JSON.parse(answer.bytes.toString())).toEqual({
      errors: [
        {
          code: 'UNAVAILABLE',
          message: 'the upstream cannot be asked',
          detail: { reason: 'timeout', request_id: 'request-0001' },
        },
      ],
    });
    const head = await get({ method: 'HEAD', headers: { 'X-Request-Id': 'request-0001' } });
    expect([head.status, head.reasonPhrase, head.bytes.byteLength]).toEqual([504, 'Upstream Timed Out', 0]);
    expect(withoutDate(head)).toEqual(withoutDate(answer));
  });

  test('say nothing of what nobody foresaw', async () => {
    handler = async () => {
      throw Object.assign(new Error('password=hunter2 at /srv/x.ts'), { code: 'EIO' });
    };
    const answer = await get();
    expect([answer.status, JSON.parse(answer.bytes.toString()).errors[0].code]).toEqual([500, 'INTERNAL']);
    expect(answer.bytes.toString()).not.toMatch(/hunter2|srv/);
    expect(logged).toHaveLength(1);
  });

  test('are told even to a client whose push was not read', async () => {
    handler = async () => {
      throw new RegistryError('UNSUPPORTED');
    };
    const answer = await get({ method: 'PUT', body: Buffer.alloc(200_000) });
    expect([answer.status, answer.cut]).toEqual([405, false]);
  });
});

describe('request ids', () => {
  test.each([
    ['a.decent-id_1', true],
    ['short', false],
    ['x'.repeat(65), false],
    ['with space in it', false],
    ['<script>alert(1)</script>', false],
  ])('%j is taken: %s', async (sent, taken) => {
    const ids: string[] = [];
    handler = async (request, response) => {
      ids.push(requestId(request), requestId(request));
      response.end();
    };
    await get({ headers: { 'X-Request-Id': sent } });
    expect(ids[0]).toBe(ids[1]);
    expect(ids[0] === sent).toBe(taken);
    expect(ids[0]).toMatch(/^[A-Za-z0-9._-]{8,64}$/);
  });
});
