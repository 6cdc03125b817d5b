import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf } from '@breakwater/registry-core';
import {
  buildImage,
  type Fault,
  type FaultUpstream,
  MemoryBlobStore,
  type RawAnswer,
  repositoryOf,
} from '@breakwater/test-kit';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { errorOf, type TestCache, type TestCacheOptions, until } from './support/cluster.js';
import { useCluster } from './support/use-cluster.js';

const image = buildImage({ seed: 'blobs', layers: [3_000_000, 20_000] });
const [big, small] = image.layers.map(({ digest }) => ({ digest, bytes: image.blobs.get(digest) ?? Buffer.alloc(0) }));
if (big === undefined || small === undefined) throw new Error('the image has two layers');
const bigPath = `/v2/acme/app/blobs/${big.digest}`;
const smallPath = `/v2/acme/app/blobs/${small.digest}`;

const cluster = useCluster();
let upstream: FaultUpstream;
let blobs: MemoryBlobStore;
let cache: TestCache;

beforeEach(async () => {
  upstream = await cluster.startUpstream(image);
  blobs = new MemoryBlobStore();
  cache = await cluster.startCache({ blobs });
});

async function restart(options: TestCacheOptions): Promise<void> {
  await cache.stop();
  cache = await cluster.startCache({ blobs, ...options });
}

const repository = () => repositoryOf('acme/app', upstream.host);

async function isStored(digest: string): Promise<boolean> {
  return (await blobs.open(repository(), digest as Parameters<MemoryBlobStore['open']>[1])) !== undefined;
}

const settled = () => until('an empty spool', async () => (await cache.spooled()).length === 0);

function bytesAre(answer: RawAnswer, digest: string): boolean {
  return !answer.cut && `sha256:${createHash('sha256').update(answer.bytes).digest('hex')}` === digest;
}

describe('cold pulls', () => {
  test('I8: fifty at once are one GET, and everybody has the right bytes', async () => {
    upstream.fault({ kind: 'delay', ms: 100 }, { times: 1 });
    const answers = await Promise.all(Array.from({ length: 50 }, () => cache.get(bigPath)));
    expect(answers.filter((answer) => bytesAre(answer, big.digest))).toHaveLength(50);
    expect(upstream.count({ kind: 'blob' })).toBe(1);
    await settled();
    expect(bytesAre(await cache.get(bigPath), big.digest)).toBe(true);
    expect(upstream.count({ kind: 'blob' })).toBe(1);
  });

  test('however they fall around the end of a download, nobody is turned away', async () => {
    for (let round = 0; round < 15; round += 1) {
      const one = buildImage({ seed: `round ${round}`, layers: [2_000] });
      const digest = one.layers[0]?.digest ?? '';
      upstream.add('app', undefined, one);
      const answers = await Promise.all(
        Array.from({ length: 12 }, async (_, n) => {
          await sleep(n);
          return cache.get(`/v2/acme/app/blobs/${digest}`);
        }),
      );
      expect(answers.map((answer) => [answer.status, bytesAre(answer, digest)])).toEqual(
        answers.map(() => [200, true]),
      );
    }
  });

  test('who looked into the store before the blob was there does not fetch it', async () => {
    const open = blobs.open.bind(blobs);
    let release: () => void = () => undefined;
    let held = false;
    blobs.open = async (...wanted) => {
      const found = await open(...wanted);
      if (!held) {
        held = true;
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      }
      return found;
    };
    const late = cache.get(smallPath);
    await until('the first one looks', () => held);
    blobs.add(repository(), small.digest, small.bytes);
    release();
    expect(bytesAre(await late, small.digest)).toBe(true);
    expect(upstream.count({ kind: 'blob' })).toBe(0);
  });

  test('F150: the first reader leaves, and the download goes on', async () => {
    upstream.fault({ kind: 'drip', bytesPerSecond: 20_000_000 });
    const { port } = new URL(cache.base);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(`GET ${bigPath} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await new Promise((data) => socket.once('data', data));
    socket.destroy();
    await until('the blob is stored', () => isStored(big.digest));
    expect(upstream.count({ kind: 'blob' })).toBe(1);
    await settled();
  });

  test('an unknown size: the answer has one all the same', async () => {
    upstream.fault({ kind: 'cut-body', afterBytes: 10_000_000, by: 'fin', framing: 'close' });
    const answer = await cache.get(smallPath);
    expect(bytesAre(answer, small.digest)).toBe(true);
    expect(answer.headers['content-length']).toBe(String(small.bytes.byteLength));
  });

  test('HEAD asks for the size and fetches nothing', async () => {
    const head = await cache.get(bigPath, { method: 'HEAD' });
    expect([head.status, head.headers['content-length']]).toEqual([200, String(big.bytes.byteLength)]);
    expect(upstream.requests.map(({ method }) => method)).toEqual(['HEAD']);
    await cache.get(bigPath);
    await until('a hit', async () =>
      /; hit/.test((await cache.get(bigPath, { method: 'HEAD' })).headers['cache-status']?.toString() ?? ''),
    );
    upstream.reset();
    const { date: _a, ...stored } = (await cache.get(bigPath, { method: 'HEAD' })).headers;
    const { date: _b, ...got } = (await cache.get(bigPath)).headers;
    expect(stored).toEqual(got);
    expect(upstream.count()).toBe(0);
  });

  test('a range of a miss', async () => {
    const answer = await cache.get(bigPath, { headers: { Range: 'bytes=1000-1999' } });
    expect([answer.status, answer.headers['content-range']]).toEqual([206, `bytes 1000-1999/${big.bytes.byteLength}`]);
    expect(answer.bytes.equals(big.bytes.subarray(1000, 2000))).toBe(true);
    await until('the blob is stored', () => isStored(big.digest));
  });

  test('S26: a blob of one repository is not readable in another, and is fetched anew there', async () => {
    await cache.get(smallPath);
    await settled();
    expect((await cache.get(`/v2/acme/other/blobs/${small.digest}`)).status).toBe(404);
    upstream.add('other', 'v1', image);
    cluster.clock.advance({ seconds: 10 });
    expect((await cache.get(`/v2/acme/other/blobs/${small.digest}`)).status).toBe(200);
    expect(upstream.count({ kind: 'blob', repository: 'other' })).toBe(2);
  });

  test('an import that fails is no concern of the client', async () => {
    blobs.import = async () => {
      throw new Error('the disk is full');
    };
    expect(bytesAre(await cache.get(smallPath), small.digest)).toBe(true);
    await until('it is fetched again', async () => {
      expect(bytesAre(await cache.get(smallPath), small.digest)).toBe(true);
      return upstream.count({ kind: 'blob' }) === 2;
    });
  });

  test('a spool that cannot be written to keeps nobody from a blob, and is told', async () => {
    await restart({ spoolDirectory: '/dev/null/spool', started: false });
    const told: unknown[] = [];
    cache.cache.events.on('not-stored', (event) => told.push(event));
    const answer = await cache.get(smallPath);
    expect(bytesAre(answer, small.digest)).toBe(true);
    expect(answer.headers['cache-status']).toBe('Breakwater; fwd=uri-miss');
    expect(told).toEqual([expect.objectContaining({ reference: small.digest, failureClass: 'storage' })]);
    const part = await cache.get(bigPath, { headers: { range: 'bytes=100-199' } });
    expect([part.status, part.bytes]).toEqual([206, big.bytes.subarray(100, 200)]);
  });

  test('what passes by without being kept is not believed either (I1)', async () => {
    await restart({ spoolDirectory: '/dev/null/spool', started: false });
    upstream.fault({ kind: 'bit-flip' });
    const answer = await cache.get(bigPath);
    expect([answer.status, answer.cut]).toEqual([200, true]);
    expect(answer.bytes.byteLength).toBeLessThan(big.bytes.byteLength);
  });
});

describe('I1: bytes that are wrong', () => {
  const faults: readonly (readonly [string, Fault])[] = [
    ['one bit in the middle', { kind: 'bit-flip' }],
    ['the last bit', { kind: 'bit-flip', at: big.bytes.byteLength - 1 }],
    ['too few', { kind: 'body', body: big.bytes.subarray(0, -1) }],
    ['too many', { kind: 'body', body: Buffer.concat([big.bytes, Buffer.from('x')]) }],
    ['another blob', { kind: 'body', body: Buffer.alloc(big.bytes.byteLength) }],
    ['none', { kind: 'body', body: '' }],
    ['a web page', { kind: 'captive-portal' }],
  ];

  test.each(faults)('%s: cut or refused, not stored, and the next pull succeeds', async (_what, fault) => {
    upstream.fault(fault, { times: 1 });
    const answer = await cache.get(bigPath);
    // With the headers out, there must be fewer bytes than announced; before them, an error that says what it was.
    if (answer.status === 200) {
      expect(answer.cut).toBe(true);
      expect(answer.bytes.byteLength).toBeLessThan(Number(answer.headers['content-length']));
    } else {
      expect(answer.status).toBe(503);
      expect(errorOf(answer).detail?.['reason']).toMatch(/^(integrity|connect|protocol)$/);
    }
    await settled();
    expect(await isStored(big.digest)).toBe(false);
    expect(bytesAre(await cache.get(bigPath), big.digest)).toBe(true);
    await until('the blob is stored', () => isStored(big.digest));
  });

  test('every reader of them is cut, none ever has them all', async () => {
    upstream.fault({ kind: 'bit-flip', at: 0 }, { times: 1 });
    upstream.fault({ kind: 'drip', bytesPerSecond: 10_000_000 });
    const readers = [undefined, 'bytes=0-', `bytes=${big.bytes.byteLength - 1}-`, 'bytes=-100'];
    const answers = await Promise.all(
      readers.map(async (range) => {
        try {
          const answer = await cache.get(bigPath, { headers: range === undefined ? {} : { Range: range } });
          return answer.status >= 400 || answer.cut;
        } catch {
          return true;
        }
      }),
    );
    expect(answers).toEqual([true, true, true, true]);
    expect(cache.told('integrity-failure')).toHaveLength(1);
  });
});

describe('deadlines', () => {
  test('F13: a blob that stalls again and again is cut after the idle times, and gone on with by the next pull', async () => {
    await restart({ deadlines: { idleMs: 200 } });
    upstream.fault({ kind: 'cut-body', afterBytes: 300_000, by: 'stall' }, { times: 3 });
    const answer = await cache.get(bigPath);
    expect([answer.cut, upstream.count({ kind: 'blob' })]).toEqual([true, 3]);
    expect(answer.endedAfterMs).toBeLessThan(3_000);
    expect(bytesAre(await cache.get(bigPath), big.digest)).toBe(true);
    await settled();
  });

  test('a blob whose headers do not come is 504 after the client budget', async () => {
    await restart({ deadlines: { clientBudgetMs: 300 } });
    upstream.fault({ kind: 'no-answer', by: 'stall' });
    const answer = await cache.get(bigPath);
    expect([answer.status, errorOf(answer).detail?.['reason']]).toEqual([504, 'timeout']);
  });

  test('P3: the wait for a turn is part of the client budget, and what is cut short by it is no outage', async () => {
    const cache = await cluster.startCache({ deadlines: { clientBudgetMs: 2_000 }, downloads: { maxDownloads: 1 } });
    upstream.add('other', 'v1', image);
    upstream.fault({ kind: 'delay', ms: 1_500 });
    const first = cache.get(bigPath);
    await until('it is asked', () => upstream.count({ kind: 'blob' }) === 1);
    const second = await cache.get(bigPath.replace('app', 'other'));
    expect([second.status, errorOf(second).detail?.['reason']]).toEqual([504, 'timeout']);
    expect(upstream.count({ kind: 'blob' })).toBe(2);
    await first;
    expect(cache.told('upstream-down')).toEqual([]);
  });

  test('the client budget ends with the headers: a slow blob may take longer', async () => {
    await restart({ deadlines: { clientBudgetMs: 300 } });
    upstream.fault({ kind: 'drip', bytesPerSecond: 4_000_000 });
    const answer = await cache.get(bigPath);
    expect([bytesAre(answer, big.digest), answer.endedAfterMs > 300]).toEqual([true, true]);
  });

  test('close ends what is under way, and leaves no socket, no lease and a file to go on with', async () => {
    upstream.fault({ kind: 'cut-body', afterBytes: 1_500_000, by: 'stall' });
    const pulling = cache.get(bigPath).catch((error: unknown) => error);
    await until('the download runs', async () => (await cache.spooledBytes()) > 0);
    const spooled = cache.spooled;
    await cache.cache.close();
    expect(await spooled()).toEqual([expect.stringMatching(/\.rest$/)]);
    expect(await cluster.database.knex('download_lease').where('upstream', upstream.host)).toEqual([]);
    expect(await pulling).toMatchObject({ cut: true });
    await until('no socket', () => upstream.openSockets === 0);
  });
});

describe('refusals', () => {
  test('F43: a blob that is not there is 404, and is there ten seconds after it came', async () => {
    upstream.remove('app', small.digest);
    const answer = await cache.get(smallPath);
    expect([answer.status, errorOf(answer).code]).toEqual([404, 'BLOB_UNKNOWN']);
    upstream.add('app', 'v1', image);
    cluster.clock.advance({ seconds: 10 });
    expect((await cache.get(smallPath)).status).toBe(200);
  });

  test('F35: nothing is asked while a Retry-After is in force, be it GET or HEAD', async () => {
    upstream.fault({ kind: 'status', status: 429, headers: { 'Retry-After': '300' } }, { times: 1 });
    const answer = await cache.get(bigPath);
    expect([answer.status, errorOf(answer).code]).toEqual([429, 'TOOMANYREQUESTS']);
    upstream.reset();
    for (const method of ['GET', 'HEAD']) {
      const again = await cache.get(bigPath, { method });
      expect([again.status, Number(again.headers['retry-after'])]).toEqual([429, 60]);
    }
    expect((await cache.get('/v2/acme/app/tags/list')).status).toBe(429);
    expect((await cache.get(`/v2/acme/app/manifests/${digestOf(Buffer.from('x'))}`)).status).toBe(429);
    expect(upstream.count()).toBe(0);
    cluster.clock.advance({ seconds: 301 });
    expect((await cache.get(bigPath)).status).toBe(200);
  });
});
