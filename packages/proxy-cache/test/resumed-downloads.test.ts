import { createHash } from 'node:crypto';
import { mkdtemp, open, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  buildImage,
  type Fault,
  type FaultScope,
  type FaultUpstream,
  MemoryBlobStore,
  type RawAnswer,
  repositoryOf,
  startFaultUpstream,
} from '@breakwater/test-kit';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { nodeSpoolDisk } from '../src/index.js';
import { type TestCache, type TestCacheOptions, until } from './support/cluster.js';
import { closeQuietly } from './support/upstream-client.js';
import { useCluster } from './support/use-cluster.js';

const MIB = 1024 * 1024;
const image = buildImage({ seed: 'resumed', layers: [8 * MIB] });
const [layer] = image.layers;
if (layer === undefined) throw new Error('the image has a layer');
const { digest, size } = layer;
const path = `/v2/acme/app/blobs/${digest}`;
const BLOBS = { match: { kind: 'blob' } } as const;

const cluster = useCluster();
let upstream: FaultUpstream;
let other: FaultUpstream;
let blobs: MemoryBlobStore;
let spoolDirectory: string;
let cache: TestCache;

beforeEach(async () => {
  upstream = await cluster.startUpstream(image);
  other = await startFaultUpstream();
  other.add('app', 'v1', image);
  cluster.proxy();
  blobs = new MemoryBlobStore();
  spoolDirectory = await mkdtemp(join(tmpdir(), 'breakwater-spool-'));
  await start();
});

afterEach(async () => {
  await closeQuietly(other);
  await rm(spoolDirectory, { recursive: true, force: true });
});

async function start(options: TestCacheOptions = {}): Promise<void> {
  cache = await cluster.startCache({ blobs, spoolDirectory, deadlines: { idleMs: 300 }, ...options });
}

const repository = () => repositoryOf('acme/app', upstream.host);
const breaks = (afterBytes: number, scope: FaultScope = {}): void =>
  void upstream.fault({ kind: 'cut-body', afterBytes, by: 'fin' }, { ...BLOBS, ...scope });
const stored = () => until('the blob is stored', async () => (await blobs.open(repository(), digest)) !== undefined);
const isWhole = (answer: RawAnswer) =>
  answer.status === 200 &&
  !answer.cut &&
  `sha256:${createHash('sha256').update(answer.bytes).digest('hex')}` === digest;
const ranges = () =>
  upstream.requests
    .filter(({ kind, method }) => kind === 'blob' && method === 'GET')
    .map(({ headers }) => headers.range);

describe('one unbroken body', () => {
  const faults: readonly (readonly [string, Fault])[] = [
    ['F8: a reset', { kind: 'cut-body', afterBytes: 3 * MIB, by: 'reset' }],
    ['F10: an early end', { kind: 'cut-body', afterBytes: 3 * MIB, by: 'fin' }],
    ['F9: an early end of an untold length', { kind: 'cut-body', afterBytes: 3 * MIB, by: 'fin', framing: 'close' }],
    ['F13: a stall', { kind: 'cut-body', afterBytes: 3 * MIB, by: 'stall' }],
  ];

  test.each(faults)('%s is gone on with from the byte reached', async (_what, fault) => {
    upstream.fault(fault, { ...BLOBS, times: 1 });
    expect(isWhole(await cache.get(path))).toBe(true);
    const [whole, rest = '', ...more] = ranges();
    expect([whole, more]).toEqual([undefined, []]);
    // Of what was on its way when a connection is reset, a part is lost.
    const from = Number(/^bytes=(\d+)-$/.exec(rest)?.[1]);
    expect([from > 0, from <= 3 * MIB]).toEqual([true, true]);
    await stored();
    await until('an empty spool', async () => (await cache.spooled()).length === 0);
  });

  test('as often as it breaks, as long as it gets on', async () => {
    breaks(1.5 * MIB);
    expect(isWhole(await cache.get(path))).toBe(true);
    expect(ranges()).toEqual([undefined, ...[1, 2, 3, 4, 5].map((n) => `bytes=${n * 1.5 * MIB}-`)]);
  });

  test('P4: three attempts where it does not get on, and what came is kept for the next pull', async () => {
    breaks(1_000);
    const answer = await cache.get(path);
    expect([answer.cut, answer.bytes.byteLength]).toEqual([true, 3_000]);
    expect(ranges()).toEqual([undefined, 'bytes=1000-', 'bytes=2000-']);
    upstream.clearFaults();
    expect(isWhole(await cache.get(path))).toBe(true);
    expect(ranges().slice(3)).toEqual(['bytes=3000-']);
  });

  test('a redirect target that flips is asked for anew', async () => {
    const first = upstream.redirectBlobsTo();
    upstream.fault({ kind: 'cut-body', afterBytes: 2 * MIB, by: 'fin' }, { match: { kind: 'blob', server: 'cdn' } });
    const answer = cache.get(path);
    await until('it is under way', () => upstream.count({ server: 'cdn' }) > 0);
    first.clear();
    upstream.redirectBlobsTo(other.origins.cdn);
    expect(isWhole(await answer)).toBe(true);
    expect(other.requests.map(({ headers }) => headers.range)).toEqual([`bytes=${2 * MIB}-`]);
  });

  test('F74: an expired signature costs no attempt', async () => {
    upstream.redirectBlobsTo();
    const cdn = { match: { kind: 'blob', server: 'cdn' } } as const;
    upstream.fault({ kind: 'cut-body', afterBytes: 2 * MIB, by: 'reset' }, { ...cdn, times: 1 });
    const answer = cache.get(path);
    await until('it is under way', () => upstream.count({ server: 'cdn' }) > 0);
    upstream.fault({ kind: 'status', status: 403 }, { ...cdn, times: 1 });
    expect(isWhole(await answer)).toBe(true);
  });
});

describe('without a disk', () => {
  const full = () => Promise.reject(Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }));

  test('what goes straight to the client is gone on with as well', async () => {
    await cache.stop();
    await start({ spoolDisk: { ...nodeSpoolDisk, writev: full } });
    breaks(3 * MIB, { times: 2 });
    expect(isWhole(await cache.get(path))).toBe(true);
    // The download broke off at the disk; then the client's own was asked for.
    expect(ranges().slice(1)).toEqual([undefined, `bytes=${3 * MIB}-`]);
  });

  test('a disk that is full half way: of many readers, none that has begun is cut off', async () => {
    await cache.stop();
    let fill: () => void = () => undefined;
    const isFull = new Promise<void>((resolve) => {
      fill = resolve;
    });
    let writes = 0;
    await start({
      downloads: { maxDownloadsPerOrganization: 2, downloadQueueMs: 300 },
      spoolDisk: {
        ...nodeSpoolDisk,
        async writev(...parameters) {
          writes += 1;
          if (writes === 1) return nodeSpoolDisk.writev(...parameters);
          await isFull;
          return full();
        },
      },
    });
    const answers = Promise.all(Array.from({ length: 20 }, () => cache.get(path)));
    await until('all of them read', () => cache.told('pull').length === 20 && writes > 1);
    fill();
    const all = await answers;
    expect(all.filter(({ cut }) => cut).length).toBe(0);
    // One whose head was not out is told that there is no turn.
    expect(all.filter((answer) => isWhole(answer) || answer.status === 503).length).toBe(20);
    expect(all.filter(isWhole).length).toBeGreaterThan(10);
  });

  test('S37: a blob that is larger than the free space is not written at all, and that is told', async () => {
    await cache.stop();
    let writes = 0;
    await start({
      spoolDisk: {
        ...nodeSpoolDisk,
        statfs: async () => ({ bavail: size / 4096 - 1, bsize: 4096 }),
        writev(...parameters) {
          writes += 1;
          return nodeSpoolDisk.writev(...parameters);
        },
      },
    });
    const told: unknown[] = [];
    cache.cache.events.on('not-stored', (event) => void told.push(event));
    const answer = await cache.get(path);
    expect([isWhole(answer), writes]).toEqual([true, 0]);
    expect(answer.headers['cache-status']).not.toContain('stored');
    expect(told).toEqual([expect.objectContaining({ reference: digest, failureClass: 'storage' })]);
    expect(
      JSON.stringify(cache.lines.map(({ fields }) => String((fields['err'] as Error | undefined)?.cause))),
    ).toContain('larger than the');
    // What is smaller has room.
    expect((await cache.get(`/v2/acme/app/blobs/${image.config.digest}`)).status).toBe(200);
    expect(writes).toBe(1);
  });

  test('pieces that do not fit together are cut before the last byte', async () => {
    await cache.stop();
    await start({ spoolDisk: { ...nodeSpoolDisk, writev: full } });
    breaks(3 * MIB, { times: 2 });
    const answer = cache.get(path);
    await until('the rest is asked for', () => ranges().length === 2);
    upstream.fault({ kind: 'bit-flip' }, { ...BLOBS, times: 1 });
    const { cut, bytes } = await answer;
    expect([cut, bytes.byteLength < size]).toEqual([true, true]);
  });
});

describe('no wrong splice', () => {
  const others: readonly (readonly [string, Fault])[] = [
    ['the whole instead of the rest', { kind: 'ignore-range' }],
    [
      'another part than was asked for',
      { kind: 'headers', headers: { 'Content-Range': `bytes 7-${size - 1}/${size}` } },
    ],
    ['a part that says nothing of where it is from', { kind: 'headers', headers: { 'Content-Range': undefined } }],
    ['a part of another entity', { kind: 'headers', headers: { ETag: '"another"' } }],
    ['that there is no such part', { kind: 'status', status: 416 }],
  ];

  test.each(others)('%s: the beginning is compared, and what is new goes on', async (_what, fault) => {
    breaks(3 * MIB, { times: 1 });
    const answer = cache.get(path);
    await until('it is under way', () => ranges().length === 1);
    upstream.fault(fault, { ...BLOBS, times: 1 });
    expect(isWhole(await answer)).toBe(true);
    await stored();
  });

  test('another beginning than before is a failure, and nothing of it is kept', async () => {
    breaks(3 * MIB, { times: 1 });
    const answer = cache.get(path);
    await until('it is under way', () => ranges().length === 1);
    upstream.fault({ kind: 'ignore-range' }, { ...BLOBS, times: 1 });
    upstream.fault({ kind: 'bit-flip', at: 5 }, { ...BLOBS, times: 1 });
    expect((await answer).cut).toBe(true);
    expect(cache.told('integrity-failure')).toHaveLength(1);
    await until('an empty spool', async () => (await cache.spooled()).length === 0);
    expect(isWhole(await cache.get(path))).toBe(true);
  });

  test('F14: one bit wrong in the rest, and nobody has the last byte', async () => {
    breaks(3 * MIB, { times: 1 });
    const answer = cache.get(path);
    await until('it is under way', () => ranges().length === 1);
    upstream.fault({ kind: 'bit-flip' }, { ...BLOBS, times: 1 });
    const { cut, bytes } = await answer;
    expect([cut, bytes.byteLength < size]).toEqual([true, true]);
    expect(await blobs.open(repository(), digest)).toBeUndefined();
    expect(isWhole(await cache.get(path))).toBe(true);
  });
});

describe('over a restart', () => {
  async function interrupted(): Promise<void> {
    upstream.fault({ kind: 'cut-body', afterBytes: 5 * MIB, by: 'stall' }, { ...BLOBS, times: 1 });
    await cache.stop();
    await start({ deadlines: { idleMs: 60_000 } });
    const cut = cache.get(path);
    await until('five MiB are there', async () => (await cache.spooledBytes()) >= 4 * MIB);
    await cache.stop();
    expect((await cut).cut).toBe(true);
    await start();
  }

  const sizeOf = async (name: string) => (await stat(join(spoolDirectory, name))).size;

  test('a partial file is gone on with', async () => {
    await interrupted();
    const [name = ''] = await cache.spooled();
    const reached = await sizeOf(name);
    expect(isWhole(await cache.get(path))).toBe(true);
    expect(ranges()).toEqual([undefined, `bytes=${reached}-`]);
  });

  test('S26: not by another repository', async () => {
    await interrupted();
    other.add('elsewhere', 'v1', image);
    upstream.add('elsewhere', 'v1', image);
    expect(isWhole(await cache.get(`/v2/acme/elsewhere/blobs/${digest}`))).toBe(true);
    expect(ranges()).toEqual([undefined, undefined]);
  });

  test('a partial file that is wrong costs one pull, not all of them', async () => {
    await interrupted();
    const [name = ''] = await cache.spooled();
    const file = await open(join(spoolDirectory, name), 'r+');
    await file.write(Buffer.from('wrong'), 0, 5, 1_000);
    await file.close();
    expect((await cache.get(path)).cut).toBe(true);
    expect(isWhole(await cache.get(path))).toBe(true);
  });

  test('G15: one that nobody wants is dropped after its time, one in use is not', async () => {
    await interrupted();
    const [name = ''] = await cache.spooled();
    const { partialFiles } = cache.cache;
    const hourAgo = () => cluster.clock.now() - 3_600_000;
    expect(await partialFiles.dropStale(hourAgo())).toEqual({ files: 0, bytes: 0 });
    const old = Date.now() / 1000 - 3_601;
    await utimes(join(spoolDirectory, name), old, old);
    const found = { files: 1, bytes: await sizeOf(name) };
    expect(await partialFiles.dropStale(hourAgo(), true)).toEqual(found);
    expect(await cache.spooled()).toHaveLength(1);
    expect(await partialFiles.dropStale(hourAgo())).toEqual(found);
    expect(await cache.spooled()).toEqual([]);

    upstream.fault({ kind: 'cut-body', afterBytes: 5 * MIB, by: 'stall' }, { ...BLOBS, times: 1 });
    const answer = cache.get(path);
    await until('it is under way', async () => (await cache.spooled()).length === 1);
    const [running = ''] = await cache.spooled();
    await utimes(join(spoolDirectory, running), old, old);
    expect(await partialFiles.dropStale(cluster.clock.now())).toEqual({ files: 0, bytes: 0 });
    expect(isWhole(await answer)).toBe(true);
  });
});
