import { createHash } from 'node:crypto';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImage, type FaultUpstream, MemoryBlobStore, type RawAnswer } from '@breakwater/test-kit';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { nodeSpoolDisk, type SpoolDisk } from '../src/blobs/spool-disk.js';
import { errorOf, type TestCache, until } from './support/cluster.js';
import { useCluster } from './support/use-cluster.js';

// Two processes of a cluster that share database, spool and store. Processes that are killed: registry-host/test.

const MIB = 1024 * 1024;
const image = buildImage({ seed: 'shared', layers: [6 * MIB] });
const [layer] = image.layers;
if (layer === undefined) throw new Error('the image has a layer');
const { digest } = layer;
const path = `/v2/acme/app/blobs/${digest}`;
const BLOBS = { match: { kind: 'blob' } } as const;

const cluster = useCluster();
let upstream: FaultUpstream;
let blobs: MemoryBlobStore;
let imports: number;
let spoolDirectory: string;
let one: TestCache;
let two: TestCache;

beforeEach(async () => {
  upstream = await cluster.startUpstream(image);
  blobs = new MemoryBlobStore();
  imports = 0;
  const store = blobs.import.bind(blobs);
  blobs.import = async (...args) => {
    imports += 1;
    await store(...args);
  };
  spoolDirectory = await mkdtemp(join(tmpdir(), 'breakwater-spool-'));
  one = await cluster.startCache({ blobs, spoolDirectory });
  two = await cluster.startCache({ blobs, spoolDirectory });
});

afterEach(async () => {
  await rm(spoolDirectory, { recursive: true, force: true });
});

const isWhole = ({ status, cut, bytes }: RawAnswer) =>
  status === 200 && !cut && `sha256:${createHash('sha256').update(bytes).digest('hex')}` === digest;
const gets = () => upstream.count({ kind: 'blob', method: 'GET' });

test('I8: twenty at each of two processes are one GET, and everybody has the right bytes', async () => {
  upstream.fault({ kind: 'drip', bytesPerSecond: 12 * MIB }, BLOBS);
  const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => (n % 2 === 0 ? one : two).get(path)));
  expect(answers.filter(isWhole)).toHaveLength(40);
  expect([gets(), imports]).toEqual([1, 1]);
  await until('an empty spool', async () => (await one.spooled()).length === 0);
  await until('no lease', async () => (await cluster.database.knex('download_lease')).length === 0);
});

test('a range of what has arrived at another process is answered while the rest is on its way', async () => {
  upstream.fault({ kind: 'cut-body', afterBytes: 4 * MIB, by: 'stall' }, { ...BLOBS, times: 1 });
  const whole = one.get(path).catch((error: unknown) => error);
  await until('four MiB are there', async () => (await one.spooledBytes()) >= 3 * MIB);
  const range = await two.get(path, { headers: { Range: 'bytes=1048576-2097151' } });
  expect([
    range.status,
    range.bytes.equals(image.blobs.get(digest)?.subarray(MIB, 2 * MIB) ?? Buffer.alloc(0)),
  ]).toEqual([206, true]);
  expect(gets()).toBe(1);
  await one.stop();
  await whole;
});

test('G10: those who follow meet the same failure, and nobody asks again for it', async () => {
  upstream.remove('app', digest);
  upstream.fault({ kind: 'delay', ms: 300 }, BLOBS);
  const answers = await Promise.all([one.get(path), two.get(path)]);
  expect(answers.map((answer) => [answer.status, errorOf(answer).code])).toEqual([
    [404, 'BLOB_UNKNOWN'],
    [404, 'BLOB_UNKNOWN'],
  ]);
  expect(gets()).toBe(1);
});

test('G10: who follows, and finds the file gone into the store, reads on from the store', async () => {
  const store = blobs.import.bind(blobs);
  let letGo: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let isTaken = false;
  blobs.import = async (repository, blobDigest, file) => {
    const taken = join(spoolDirectory, '.taken');
    await rename(file, taken);
    isTaken = true;
    await held;
    await store(repository, blobDigest, taken);
  };
  let lookedFor = 0;
  const disk: SpoolDisk = {
    ...nodeSpoolDisk,
    async open(...args) {
      lookedFor += 1;
      return nodeSpoolDisk.open(...args);
    },
  };
  const following = await cluster.startCache({ blobs, spoolDirectory, spoolDisk: disk });
  expect(isWhole(await one.get(path))).toBe(true);
  await until('its file is being stored', () => isTaken);
  const answer = following.get(path);
  // By then the reader has been told the size, and waits for the first byte.
  await until('the file is looked for', () => lookedFor > 0);
  letGo();
  expect(isWhole(await answer)).toBe(true);
  expect(gets()).toBe(1);
});

test('P3: who follows waits for the first byte no longer than for an upstream of its own', async () => {
  await two.stop();
  two = await cluster.startCache({ blobs, spoolDirectory, deadlines: { clientBudgetMs: 300 } });
  upstream.fault({ kind: 'delay', ms: 2_000 }, BLOBS);
  const leading = one.get(path);
  await until('it is asked', () => gets() === 1);
  const followed = await two.get(path);
  expect([followed.status, errorOf(followed).detail?.['reason']]).toEqual([504, 'timeout']);
  expect(isWhole(await leading)).toBe(true);
});

test('what it failed with is forgotten once those who followed have heard of it', async () => {
  upstream.remove('app', digest);
  expect((await one.get(path)).status).toBe(404);
  const rows = () => cluster.database.knex('download_lease').where('upstream', upstream.host);
  expect(await rows()).toHaveLength(1);
  cluster.clock.advance({ seconds: 6 });
  await one.stop();
  expect(await rows()).toEqual([]);
});

test('a process that ends hands over at once, and what it had is not fetched again', async () => {
  upstream.fault({ kind: 'cut-body', afterBytes: 4 * MIB, by: 'stall' }, { ...BLOBS, times: 1 });
  const left = one.get(path).catch((error: unknown) => error);
  await until('it is under way', async () => (await one.spooledBytes()) >= 3 * MIB);
  const taken = Array.from({ length: 10 }, () => two.get(path));
  await one.stop();
  expect((await Promise.all(taken)).filter(isWhole)).toHaveLength(10);
  await left;
  const [, rest] = upstream.requests.filter(({ kind }) => kind === 'blob').map(({ headers }) => headers.range);
  expect(Number(/^bytes=(\d+)-$/.exec(rest ?? '')?.[1])).toBeGreaterThanOrEqual(3 * MIB);
});

test('F139: who was taken for dead serves its own readers and stores nothing', async () => {
  upstream.fault({ kind: 'cut-body', afterBytes: 4 * MIB, by: 'stall' }, { ...BLOBS, times: 1 });
  const suspended = one.get(path).catch((error: unknown) => error);
  await until('it is under way', async () => (await one.spooledBytes()) >= 3 * MIB);
  cluster.clock.advance({ seconds: 31 });
  const answer = await two.get(path);
  await until('it is stored', () => imports === 1);
  expect([isWhole(answer), gets()]).toEqual([true, 2]);
  await one.stop();
  await suspended;
  await until('an empty spool', async () => (await two.spooled()).length === 0);
  expect(imports).toBe(1);
});

test('F139: who was taken for dead, and comes to its end all the same, leaves storing to who took over', async () => {
  upstream.fault({ kind: 'drip', bytesPerSecond: 3 * MIB }, { ...BLOBS, times: 1 });
  const slow = one.get(path);
  await until('it is under way', async () => (await one.spooledBytes()) >= MIB);
  cluster.clock.advance({ seconds: 31 });
  upstream.fault({ kind: 'drip', bytesPerSecond: 1.5 * MIB }, BLOBS);
  const slower = two.get(path);
  expect(isWhole(await slow)).toBe(true);
  await one.stop();
  expect(imports).toBe(0);
  expect([isWhole(await slower), gets()]).toEqual([true, 2]);
  await until('it is stored', () => imports === 1);
});

test('processes with a spool each do not wait for one another', async () => {
  const own = await cluster.startCache({ blobs: new MemoryBlobStore() });
  upstream.fault({ kind: 'delay', ms: 200 }, BLOBS);
  const answers = await Promise.all([one.get(path), own.get(path)]);
  expect([answers.filter(isWhole).length, gets()]).toEqual([2, 2]);
});

test('without Postgres a download under way comes to its end at both', async () => {
  upstream.fault({ kind: 'drip', bytesPerSecond: 4 * MIB }, BLOBS);
  const answers = [one.get(path), two.get(path)];
  await until('both are under way', async () => (await one.spooledBytes()) > MIB);
  await cluster.database.knex.raw('ALTER TABLE download_lease RENAME TO download_lease_away');
  try {
    expect((await Promise.all(answers)).filter(isWhole)).toHaveLength(2);
  } finally {
    await cluster.database.knex.raw('ALTER TABLE download_lease_away RENAME TO download_lease');
  }
});
