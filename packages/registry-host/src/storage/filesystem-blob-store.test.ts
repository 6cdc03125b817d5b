import * as promises from 'node:fs/promises';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Digest, digestOf, type Logger, RegistryError, silentLogger } from '@breakwater/registry-core';
import { movableClock, readBlob, repositoryOf, writeBlobFile } from '@breakwater/test-kit';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { FileSystem } from './file-system.js';
import { createFilesystemContent, type FilesystemContent } from './filesystem-content.js';
import type {
  BlobCensus,
  BlobDamages,
  BlobGeneration,
  BlobLinks,
  BlobRemoval,
  BlobStoreIdentity,
  Damage,
  RecordedBlob,
} from './ports.js';

const repository = repositoryOf('org/app', 'registry.example');
const bytes = Buffer.from('the bytes of a blob');
const digest = digestOf(bytes);

/** Rows in memory for one repository, which count what they are asked and can be made to fail. */
class FewRows implements BlobLinks, BlobRemoval, BlobDamages, BlobCensus, BlobStoreIdentity {
  readonly blobs = new Map<Digest, RecordedBlob>();
  lookUps = 0;
  failure: RegistryError | undefined;
  async linked(_: unknown, of: Digest) {
    this.lookUps += 1;
    if (this.failure !== undefined) throw this.failure;
    return this.blobs.get(of);
  }
  async live(of: Digest) {
    return this.blobs.get(of);
  }
  async link(_: unknown, blob: BlobGeneration) {
    return this.blobs.get(blob.digest)?.generation === blob.generation;
  }
  async publish(_: unknown, blob: BlobGeneration) {
    if (this.failure !== undefined) throw this.failure;
    this.blobs.set(blob.digest, blob);
    return true;
  }
  async unlinked() {
    return { items: [], next: undefined };
  }
  async linkedOnlyBy() {
    return [];
  }
  async claim() {
    return { claimed: [], more: false };
  }
  async marked() {
    return [];
  }
  async erase() {
    return false;
  }
  async known(asked: readonly unknown[]) {
    return asked.map(() => false);
  }
  async report(blob: BlobGeneration, damage: Damage) {
    if (this.failure !== undefined) throw this.failure;
    const known = this.blobs.get(blob.digest);
    if (known?.generation !== blob.generation) return false;
    this.blobs.set(blob.digest, { ...known, damage });
    return !('damage' in known);
  }
  async clear() {
    return false;
  }
  async liveAfter(after: Digest | undefined) {
    return after === undefined ? [...this.blobs.values()] : [];
  }
  async id() {
    return 'the id of this store';
  }
  async isEmpty() {
    return this.blobs.size === 0;
  }
}

let directory: string;
let rows: FewRows;
const monotonic = movableClock(0);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'filesystem-blob-store-'));
  rows = new FewRows();
});
afterEach(() => rm(directory, { recursive: true }));

function storeOn(options: { fileSystem?: FileSystem; logger?: Logger; clock?: ReturnType<typeof movableClock> } = {}) {
  return createFilesystemContent({
    url: pathToFileURL(join(directory, 'store')).href,
    rows,
    manifests: {
      unlinked: async () => ({ items: [], next: undefined }),
      linkedOnlyBy: async () => [],
      remove: async () => [],
    },
    clock: movableClock(),
    logger: silentLogger,
    monotonic,
    ...options,
  });
}

async function importInto({ blobs }: FilesystemContent): Promise<string> {
  const file = await writeBlobFile(directory, bytes);
  await blobs.import(repository, digest, file);
  return file;
}

function blobPath(): string {
  const hex = digest.slice('sha256:'.length);
  return join(directory, 'store', 'blobs', 'sha256', hex.slice(0, 2), hex, rows.blobs.get(digest)?.generation ?? '');
}

const unavailable = new RegistryError('UNAVAILABLE', 'gone', { detail: { reason: 'database' } });

test('a blob lies under its decoded digest and its generation (S19)', async () => {
  await importInto(storeOn());
  expect(await promises.readFile(blobPath())).toEqual(bytes);
});

test('a hot blob asks the database once a second', async () => {
  const store = storeOn();
  await importInto(store);
  for (let pull = 0; pull < 5; pull += 1) await readBlob(await store.blobs.open(repository, digest));
  expect(rows.lookUps).toBe(1);
  monotonic.advance({ ms: 1_000 });
  await readBlob(await store.blobs.open(repository, digest));
  expect(rows.lookUps).toBe(2);
});

test('a link that is gone is unreadable within a second (S26)', async () => {
  const store = storeOn();
  await importInto(store);
  await readBlob(await store.blobs.open(repository, digest));
  rows.blobs.clear();
  monotonic.advance({ ms: 1_000 });
  expect(await store.blobs.open(repository, digest)).toBeUndefined();
});

test('a hot blob outlives the database, a cold one fails and is no miss (I11, I7)', async () => {
  const store = storeOn();
  await importInto(store);
  await readBlob(await store.blobs.open(repository, digest));
  rows.failure = unavailable;
  monotonic.advance({ hours: 1 });
  expect(await readBlob(await store.blobs.open(repository, digest))).toEqual(bytes);
  await expect(storeOn().blobs.open(repository, digest)).rejects.toBe(unavailable);
});

test('a remembered generation that was replaced is looked up again', async () => {
  const store = storeOn();
  await importInto(store);
  await readBlob(await store.blobs.open(repository, digest));
  await promises.unlink(blobPath());
  await importInto(store);
  expect(await readBlob(await store.blobs.open(repository, digest))).toEqual(bytes);
});

test.each<[string, (path: string) => Promise<unknown>]>([
  ['is missing', (path) => promises.unlink(path)],
  ['is cut short', (path) => promises.truncate(path, 3)],
  ['is too long', (path) => promises.appendFile(path, 'more')],
  [
    'is a link to elsewhere',
    async (path) => {
      await promises.writeFile(join(directory, 'elsewhere'), bytes);
      await promises.unlink(path);
      await promises.symlink(join(directory, 'elsewhere'), path);
    },
  ],
  [
    'is a directory',
    async (path) => {
      await promises.unlink(path);
      await promises.mkdir(path);
    },
  ],
])('a blob whose file %s is a miss, and the next import replaces it', async (_, damage) => {
  const store = storeOn();
  await importInto(store);
  await readBlob(await store.blobs.open(repository, digest));
  const damaged = blobPath();
  await damage(damaged);
  expect(await store.blobs.open(repository, digest)).toBeUndefined();
  await importInto(store);
  expect(await readBlob(await store.blobs.open(repository, digest))).toEqual(bytes);
  expect(blobPath()).not.toBe(damaged);
});

test('a loss of power at any moment leaves no row without a flushed file: rename, flush upwards, then the row (F118)', async () => {
  const order: string[] = [];
  const name = (path: unknown) => String(path).slice(join(directory, 'store').length) || '/';
  const fileSystem: FileSystem = {
    ...promises,
    rename: async (from, to) => {
      await promises.rename(from, to);
      order.push('rename');
    },
    open: async (...parameters) => {
      const handle = await promises.open(...parameters);
      const sync = handle.sync.bind(handle);
      handle.sync = async () => {
        await sync();
        order.push(`flush ${name(parameters[0])}`);
      };
      return handle;
    },
  };
  await storeOn({ fileSystem }).blobs.open(repository, digest);
  const publish = rows.publish.bind(rows);
  rows.publish = async (...parameters) => {
    order.push('row');
    return publish(...parameters);
  };
  const store = storeOn({ fileSystem });
  await importInto(storeOn());
  rows.blobs.clear();
  order.length = 0;
  await importInto(store);
  const hex = digest.slice('sha256:'.length);
  const above = `/blobs/sha256/${hex.slice(0, 2)}`;
  expect(order).toEqual([
    'rename',
    `flush ${above}/${hex}`,
    `flush ${above}`,
    'flush /blobs/sha256',
    'flush /blobs',
    'flush /',
    'row',
  ]);
});

test('takes a file from another device', async () => {
  const fileSystem: FileSystem = {
    ...promises,
    rename: async (from, to) => {
      if (!String(from).startsWith(join(directory, 'store'))) throw Object.assign(new Error(), { code: 'EXDEV' });
      return promises.rename(from, to);
    },
  };
  const store = storeOn({ fileSystem });
  const file = await importInto(store);
  await expect(promises.access(file)).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await readBlob(await store.blobs.open(repository, digest))).toEqual(bytes);
  expect(await promises.readdir(join(directory, 'store', 'incoming'))).toEqual([]);
});

test('what a copy from another device left behind goes with the debris', async () => {
  await promises.mkdir(join(directory, 'store', 'incoming'), { recursive: true });
  await promises.writeFile(join(directory, 'store', 'incoming', 'left'), 'half a blob');
  const clock = movableClock(Date.now());
  await storeOn({ clock }).reconcile();
  expect(await promises.readdir(join(directory, 'store', 'incoming'))).toEqual(['left']);
  clock.advance({ hours: 25 });
  await storeOn({ clock }).reconcile();
  expect(await promises.readdir(join(directory, 'store', 'incoming'))).toEqual([]);
});

test('an import that the database did not take gives the file back', async () => {
  rows.failure = unavailable;
  const file = await writeBlobFile(directory, bytes);
  await expect(storeOn().blobs.import(repository, digest, file)).rejects.toBe(unavailable);
  expect(await promises.readFile(file)).toEqual(bytes);
});

test.each(['mkdir', 'rename', 'open', 'lstat', 'readFile'] as const)(
  'a disk that refuses %s is a typed failure, and what was stored stays readable (G7)',
  async (call) => {
    const store = storeOn();
    await importInto(store);
    const refused = async () => {
      throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    };
    const full = storeOn({ fileSystem: { ...promises, [call]: refused } });
    const other = Buffer.from('one too many');
    const file = await writeBlobFile(directory, other);
    await expect(full.blobs.import(repository, digestOf(other), file)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      detail: { reason: 'storage', problem: 'STORE_FAILED' },
      message: expect.not.stringContaining(directory),
    });
    expect(await full.blobs.open(repository, digestOf(other))).toBeUndefined();
    expect(await readBlob(await full.blobs.open(repository, digest))).toEqual(bytes);
  },
);

test('so many files without a row that the database must be the wrong one are left alone', async () => {
  const clock = movableClock(Date.now());
  const store = storeOn({ clock });
  await importInto(store);
  for (let at = 0; at < 1_001; at += 1) {
    const hex = at.toString(16).padStart(64, '0');
    const place = join(directory, 'store', 'blobs', 'sha256', hex.slice(0, 2), hex);
    await promises.mkdir(place, { recursive: true });
    await promises.writeFile(join(place, 'ab'.repeat(16)), '');
  }
  clock.advance({ hours: 25 });
  expect(await store.reconcile()).toMatchObject({ finished: 0, strays: 1_002, braked: true });
  expect(await promises.readFile(blobPath())).toEqual(bytes);
});

test('a blob is not closed under a read', async () => {
  const store = storeOn();
  await importInto(store);
  const blob = await store.blobs.open(repository, digest);
  const buffer = Buffer.alloc(bytes.byteLength);
  const reading = blob?.read(buffer, 0);
  const closing = [blob?.close(), blob?.close()];
  expect(await reading).toBe(bytes.byteLength);
  await Promise.all(closing);
  expect(buffer).toEqual(bytes);
  await expect(blob?.read(buffer, 0)).rejects.toMatchObject({ detail: { problem: 'STORE_FAILED' } });
});
