import { EventEmitter } from 'node:events';
import { mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Digest, digestOf, silentLogger } from '@breakwater/registry-core';
import {
  buildImage,
  createTestDatabase,
  type MovableClock,
  movableClock,
  repositoryOf,
  storable,
  type TestDatabase,
  writeBlobFile,
} from '@breakwater/test-kit';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { registryHostMigrations } from '../postgres/migrations/index.js';
import { PostgresBlobRows } from '../postgres/postgres-blob-rows.js';
import { PostgresDamageList } from '../postgres/postgres-damage-list.js';
import { PostgresManifestCensus } from '../postgres/postgres-manifest-census.js';
import { PostgresManifestDamages } from '../postgres/postgres-manifest-damages.js';
import { PostgresManifestStore } from '../postgres/postgres-manifest-store.js';
import { PostgresStorageTasks } from '../postgres/postgres-storage-tasks.js';
import { PostgresUnlinkedManifests } from '../postgres/postgres-unlinked-manifests.js';
import { type FileReads, nodeFileReads } from './file-system.js';
import { createFilesystemContent } from './filesystem-content.js';
import { Scrub } from './scrub.js';
import type { StorageEvents } from './storage-events.js';

const repository = repositoryOf('org/app', 'registry.example');
const MIB = 1024 * 1024;
const DAY_MS = 24 * 60 * 60_000;

let database: TestDatabase;
let directory: string;
let root: string;
let clock: MovableClock;
let damages: PostgresDamageList;

beforeEach(async () => {
  database = await createTestDatabase({ migrations: [registryHostMigrations()] });
  directory = await mkdtemp(join(tmpdir(), 'scrub-'));
  root = join(directory, 'store');
  clock = movableClock();
  damages = new PostgresDamageList({ database: database.knex });
});
afterEach(async () => {
  await database.drop();
  await rm(directory, { recursive: true });
});

/** One process that scrubs. Its pauses take no time; they move its own clock, and are added up. */
function scrubber(options: { holder?: string; rate?: number; fileReads?: FileReads } = {}) {
  const { knex } = database;
  const events = new EventEmitter<StorageEvents>();
  const rows = new PostgresBlobRows({ database: knex, clock });
  const manifestDamages = new PostgresManifestDamages({ database: knex, clock, events, logger: silentLogger });
  const content = createFilesystemContent({
    url: pathToFileURL(root).href,
    rows,
    manifests: new PostgresUnlinkedManifests({ database: knex }),
    clock,
    logger: silentLogger,
    events,
    ...(options.fileReads === undefined ? {} : { fileReads: options.fileReads }),
  });
  const told: string[] = [];
  events.on('damaged', ({ kind, damage, foundBy }) => told.push(`${foundBy}: ${kind} ${damage}`));
  events.on('repaired', ({ kind }) => told.push(`repaired: ${kind}`));
  const monotonic = movableClock(0);
  const paused = { ms: 0 };
  const scrub = new Scrub({
    files: content.files,
    mark: content.mark,
    blobs: rows,
    manifests: new PostgresManifestCensus({ database: knex }),
    manifestDamages,
    tasks: new PostgresStorageTasks({ database: knex, clock }),
    events,
    clock,
    logger: silentLogger,
    holder: options.holder ?? 'one',
    rate: options.rate ?? 1_000 * MIB,
    intervalMs: DAY_MS,
    monotonic,
    pause: async (ms) => {
      paused.ms += ms;
      monotonic.advance({ ms });
    },
  });
  const manifests = new PostgresManifestStore({ database: knex, clock, damages: manifestDamages });
  return { content, scrub, told, paused, manifests };
}

const running = () => new AbortController().signal;

async function store(bytes: Buffer, by = scrubber()): Promise<Digest> {
  const digest = digestOf(bytes);
  await by.content.blobs.import(repository, digest, await writeBlobFile(directory, bytes));
  return digest;
}

async function pathOf(digest: Digest): Promise<string> {
  const hex = digest.slice('sha256:'.length);
  const place = join(root, 'blobs', 'sha256', hex.slice(0, 2), hex);
  const [generation] = await readdir(place);
  return join(place, generation ?? '');
}

async function rot(digest: Digest): Promise<void> {
  const path = await pathOf(digest);
  const bytes = await readFile(path);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

async function marked(): Promise<Record<string, string>> {
  const list = await damages.list(undefined, 100);
  return Object.fromEntries(list.map(({ digest, damage }) => [digest, damage]));
}

test('everything is read and hashed; what is damaged is marked, reported once, and nothing is deleted', async () => {
  const one = scrubber();
  const sound = await store(Buffer.alloc(2 * MIB, 'sound'));
  const rotten = await store(Buffer.from('rotten'));
  const short = await store(Buffer.from('too short'));
  const missing = await store(Buffer.from('missing'));
  const image = buildImage({ seed: 'scrubbed' });
  await one.manifests.put(repository, storable(image.manifest));
  await rot(rotten);
  await truncate(await pathOf(short), 2);
  const lost = await pathOf(missing);
  await rename(lost, `${directory}/lost`);
  const wrong = Buffer.from(image.manifest.bytes).fill('x', 0, 1);
  await database.knex('manifest').update({ bytes: wrong });

  const report = await one.scrub.run(running());
  expect(report).toMatchObject({ manifests: 1, blobs: 4, damaged: 4, cleared: 0 });
  expect(await marked()).toEqual({
    [rotten]: 'content',
    [short]: 'size',
    [missing]: 'missing',
    [image.manifest.digest]: 'content',
  });
  expect(one.told.sort()).toEqual([
    'scrub: blob content',
    'scrub: blob missing',
    'scrub: blob size',
    'scrub: manifest content',
  ]);
  expect(await one.content.blobs.open(repository, rotten)).toBeUndefined();
  expect(await readFile(await pathOf(rotten))).toHaveLength(6);
  expect(await readFile(await pathOf(sound))).toHaveLength(2 * MIB);
  expect(await damages.count()).toEqual({ manifest: 1, blob: 3 });

  // What is whole again is found to be, and what is still damaged is not told a second time.
  await rename(`${directory}/lost`, lost);
  await database.knex('manifest').update({ bytes: image.manifest.bytes });
  clock.advance({ ms: DAY_MS + 1 });
  one.told.length = 0;
  expect(await one.scrub.run(running())).toMatchObject({ damaged: 2, cleared: 2 });
  expect(one.told.sort()).toEqual(['repaired: blob', 'repaired: manifest']);
  expect(await marked()).toEqual({ [rotten]: 'content', [short]: 'size' });
});

test('it keeps to its rate', async () => {
  await store(Buffer.alloc(4 * MIB, 'slow'));
  const { scrub, paused } = scrubber({ rate: MIB });
  await scrub.run(running());
  expect(paused.ms).toBeGreaterThan(3_950);
  expect(paused.ms).toBeLessThan(4_100);
});

test('one process of the cluster at a time, and again when the interval is over', async () => {
  await store(Buffer.from('once'));
  const both = await Promise.all([
    scrubber({ holder: 'one' }).scrub.run(running()),
    scrubber({ holder: 'two' }).scrub.run(running()),
  ]);
  expect(both.filter((report) => report !== undefined)).toHaveLength(1);
  expect(await scrubber().scrub.run(running())).toBeUndefined();
  clock.advance({ ms: DAY_MS + 1 });
  expect(await scrubber().scrub.run(running())).toMatchObject({ blobs: 1 });
});

test('what was read before the end of a process is not read again', async () => {
  const digests = [];
  for (let index = 0; index < 5; index += 1) digests.push(await store(Buffer.from(`in order ${index}`)));
  digests.sort();
  const stopping = new AbortController();
  const opened: string[] = [];
  const noting: FileReads = {
    ...nodeFileReads,
    open: (path, flags) => {
      opened.push(path);
      if (opened.length === 3) stopping.abort();
      return nodeFileReads.open(path, flags);
    },
  };
  expect(await scrubber({ holder: 'one', fileReads: noting }).scrub.run(stopping.signal)).toBeUndefined();
  expect(await scrubber({ holder: 'two', fileReads: noting }).scrub.run(running())).toMatchObject({ blobs: 5 });
  // The third was being read when it was stopped.
  expect(opened.map((path) => `sha256:${path.split('/').at(-2)}`)).toEqual([
    ...digests.slice(0, 3),
    ...digests.slice(2),
  ]);
});

test('a process that died is followed by another after a minute', async () => {
  await store(Buffer.from('interrupted'));
  const tasks = new PostgresStorageTasks({ database: database.knex, clock });
  await tasks.take('scrub', 'the dead', clock.now());
  expect(await scrubber().scrub.run(running())).toBeUndefined();
  clock.advance({ seconds: 61 });
  expect(await scrubber().scrub.run(running())).toMatchObject({ blobs: 1 });
  expect(await tasks.keep('scrub', 'the dead')).toBe(false);
});

test('a store that is not mounted marks nothing, at the beginning and in the middle', async () => {
  for (let index = 0; index < 3; index += 1) await store(Buffer.from(`mounted ${index}`));
  const unmounted = { detail: { reason: 'storage', problem: 'STORE_UNMOUNTED' } };
  let opens = 0;
  const unmounting: FileReads = {
    ...nodeFileReads,
    open: async (path, flags) => {
      opens += 1;
      if (opens === 2) await rename(root, `${root}.away`);
      return nodeFileReads.open(path, flags);
    },
  };
  await expect(scrubber({ fileReads: unmounting }).scrub.run(running())).rejects.toMatchObject(unmounted);
  await expect(scrubber().scrub.run(running())).rejects.toMatchObject(unmounted);
  expect(await marked()).toEqual({});
  await rename(`${root}.away`, root);
  expect(await scrubber().scrub.run(running())).toMatchObject({ blobs: 3, damaged: 0 });
});

test('a file that cannot be read is marked; a machine without descriptors is no fault of the file', async () => {
  const digest = await store(Buffer.alloc(MIB, 'bad sector'));
  const failing = (code: string, call: 'open' | 'read'): FileReads => ({
    ...nodeFileReads,
    [call]: async () => {
      throw Object.assign(new Error(code), { code });
    },
  });
  await expect(scrubber({ fileReads: failing('EMFILE', 'open') }).scrub.run(running())).rejects.toMatchObject({
    detail: { reason: 'overload' },
  });
  expect(await marked()).toEqual({});
  expect(await scrubber({ fileReads: failing('EIO', 'read') }).scrub.run(running())).toMatchObject({ damaged: 1 });
  expect(await marked()).toEqual({ [digest]: 'unreadable' });
});
