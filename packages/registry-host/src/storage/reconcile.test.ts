import * as promises from 'node:fs/promises';
import { cp, mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Digest, digestOf, silentLogger } from '@breakwater/registry-core';
import {
  buildImage,
  createTestDatabase,
  type MovableClock,
  movableClock,
  readBlob,
  repositoryOf,
  storable,
  type TestDatabase,
  writeBlobFile,
} from '@breakwater/test-kit';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { registryHostMigrations } from '../postgres/migrations/index.js';
import { PostgresBlobRows } from '../postgres/postgres-blob-rows.js';
import { PostgresContentSweep } from '../postgres/postgres-content-sweep.js';
import { PostgresDamageList } from '../postgres/postgres-damage-list.js';
import { PostgresManifestStore } from '../postgres/postgres-manifest-store.js';
import { PostgresUnlinkedManifests } from '../postgres/postgres-unlinked-manifests.js';
import type { FileSystem } from './file-system.js';
import { createFilesystemContent } from './filesystem-content.js';
import type { StorageAudit, StorageDeletion } from './ports.js';

const repository = repositoryOf('org/app', 'registry.example');
/** What a backup of the database has of the store. */
const TABLES = ['blob', 'content_link', 'content_damage', 'manifest', 'manifest_reference'];
const run = { id: 'run' };

let database: TestDatabase;
let directory: string;
let root: string;
let clock: MovableClock;

beforeEach(async () => {
  database = await createTestDatabase({ migrations: [registryHostMigrations()] });
  directory = await mkdtemp(join(tmpdir(), 'reconcile-'));
  root = join(directory, 'store');
  clock = movableClock(Date.now());
});
afterEach(async () => {
  await database.drop();
  await rm(directory, { recursive: true });
});

/** The store as a process has it that has just begun. */
function content(
  faults: { fileSystem?: Partial<FileSystem>; rows?: Partial<PostgresBlobRows>; audit?: StorageAudit } = {},
) {
  const rows = new PostgresBlobRows({ database: database.knex, clock });
  return createFilesystemContent({
    url: pathToFileURL(root).href,
    rows: Object.assign(rows, faults.rows),
    manifests: new PostgresUnlinkedManifests({ database: database.knex }),
    damages: new PostgresDamageList({ database: database.knex }),
    ...(faults.audit === undefined ? {} : { audit: faults.audit }),
    clock,
    logger: silentLogger,
    fileSystem: { ...promises, ...faults.fileSystem } as FileSystem,
    monotonic: { now: () => performance.now() * 1e6 },
  });
}

async function store(text: string): Promise<Digest> {
  const bytes = Buffer.from(text);
  const digest = digestOf(bytes);
  await content().blobs.import(repository, digest, await writeBlobFile(directory, bytes));
  return digest;
}

async function read(text: string): Promise<string | undefined> {
  const open = await content().blobs.open(repository, digestOf(Buffer.from(text)));
  return (await readBlob(open))?.toString();
}

const placeOf = (digest: Digest) => join(root, 'blobs', 'sha256', digest.slice(7, 9), digest.slice(7));

async function unlink(digest: Digest): Promise<void> {
  await database.knex('content_link').where({ digest }).delete();
  await database.knex('blob').where({ digest }).update({ unlinked_since: 0 });
}

async function collect(by = content()): Promise<number> {
  const { freed } = await by.disposal.dispose(clock.now(), run, async () => {});
  return freed.length;
}

async function files(): Promise<number> {
  const entries = await readdir(join(root, 'blobs'), { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).length;
}

async function damaged(): Promise<Digest[]> {
  return (await new PostgresDamageList({ database: database.knex }).list(undefined, 100)).map(({ digest }) => digest);
}

describe('after a restore (G14)', () => {
  const refetched = ['gone after the backup', 'replaced after the backup'];

  async function before(): Promise<void> {
    await store('kept');
    for (const text of refetched) await store(text);
  }

  /** The last hour before the disaster: something new, something collected, something stored anew. */
  async function after(): Promise<void> {
    await store('new after the backup');
    for (const text of refetched) {
      await unlink(digestOf(Buffer.from(text)));
      await collect();
    }
    await store('replaced after the backup');
  }

  test('of a database that is older than the store', async () => {
    await before();
    for (const table of TABLES) await database.knex.raw(`CREATE TABLE backup_${table} AS TABLE ${table}`);
    await after();
    for (const table of TABLES) await database.knex.raw(`TRUNCATE ${table} CASCADE`);
    for (const table of [...TABLES].sort((one) => (one === 'manifest' ? -1 : 0))) {
      await database.knex.raw(`INSERT INTO ${table} SELECT * FROM backup_${table}`);
    }

    expect(await content().reconcile()).toMatchObject({ missing: 2, strays: 0 });
    expect((await damaged()).sort()).toEqual(refetched.map((text) => digestOf(Buffer.from(text))).sort());
    expect(await read('kept')).toBe('kept');
    for (const text of [...refetched, 'new after the backup']) expect(await read(text)).toBeUndefined();
    for (const text of refetched) await store(text);
    for (const text of refetched) expect(await read(text)).toBe(text);
    // Two files of which the database knows nothing any more.
    clock.advance({ hours: 25 });
    expect(await content().reconcile()).toMatchObject({ strays: 2, missing: 0 });
    expect(await files()).toBe(3);
    for (const text of ['kept', ...refetched]) expect(await read(text)).toBe(text);
  });

  test('of a store that is older than the database', async () => {
    await before();
    await cp(root, `${root}.backup`, { recursive: true });
    await after();
    await rm(root, { recursive: true });
    await rename(`${root}.backup`, root);

    expect(await content().reconcile()).toMatchObject({ missing: 2, strays: 0 });
    expect(await read('kept')).toBe('kept');
    for (const text of ['new after the backup', ...refetched]) expect(await read(text)).toBeUndefined();
    for (const text of ['new after the backup', 'replaced after the backup']) {
      await store(text);
      expect(await read(text)).toBe(text);
    }
    clock.advance({ hours: 25 });
    // What had been collected, and the generation that had been replaced.
    expect(await content().reconcile()).toMatchObject({ strays: 2, missing: 0 });
    await collect();
    expect(await files()).toBe(3);
    expect(await database.knex('blob')).toHaveLength(3);
  });

  test('of a volume that comes back: what was marked is read, and served again', async () => {
    const digest = await store('on the volume');
    await rename(placeOf(digest), `${directory}/away`);
    expect(await content().reconcile()).toMatchObject({ missing: 1 });
    expect(await read('on the volume')).toBeUndefined();
    await rename(`${directory}/away`, placeOf(digest));
    expect(await content().reconcile()).toMatchObject({ cleared: 1 });
    expect(await read('on the volume')).toBe('on the volume');
    // Other bytes of the same size are no way back.
    const [generation = ''] = await readdir(placeOf(digest));
    await rename(placeOf(digest), `${directory}/away`);
    await content().reconcile();
    await mkdir(placeOf(digest));
    await writeFile(join(placeOf(digest), generation), 'on the vo1ume');
    expect(await content().reconcile()).toMatchObject({ cleared: 0 });
    expect(await read('on the volume')).toBeUndefined();
  });
});

describe('what cannot be told removes nothing (G11)', () => {
  const unavailable = async () => {
    throw Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' });
  };

  async function debris(): Promise<Digest> {
    const stray = await store('stray');
    await store('kept');
    await database.knex('blob').where({ digest: stray }).delete();
    clock.advance({ hours: 25 });
    return stray;
  }

  test.each<[string, Parameters<typeof content>[0]]>([
    ['the database does not say which files it knows', { rows: { known: unavailable } }],
    ['a directory of the store cannot be listed', { fileSystem: { readdir: failing('EIO') as FileSystem['readdir'] } }],
    ['begun removals cannot be read', { rows: { marked: unavailable } }],
    ['live rows cannot be read', { rows: { liveAfter: unavailable } }],
    ['the mark of the store cannot be read', { fileSystem: { readFile: failing('EIO') as FileSystem['readFile'] } }],
  ])('%s', async (_, faults) => {
    await debris();
    await expect(content(faults).reconcile()).rejects.toBeDefined();
    expect(await files()).toBe(2);
    expect(await content().reconcile()).toMatchObject({ strays: 1 });
  });

  test('an answer that is too short is no answer', async () => {
    await debris();
    expect(await content({ rows: { known: async () => [] } }).reconcile()).toMatchObject({ strays: 0 });
    expect(await files()).toBe(2);
  });

  test('a list of the store that is too short hides debris and nothing else', async () => {
    await debris();
    const none = { readdir: (async () => []) as unknown as FileSystem['readdir'] };
    expect(await content({ fileSystem: none }).reconcile()).toMatchObject({ strays: 0, missing: 0 });
    expect(await files()).toBe(2);
    expect(await damaged()).toEqual([]);
  });

  test.each(['claim', 'marked'] as const)('a collection whose %s fails', async (name) => {
    const digest = await store('unlinked');
    await unlink(digest);
    await expect(collect(content({ rows: { [name]: unavailable } }))).rejects.toBeDefined();
    expect(await files()).toBe(1);
  });

  test('a collection that cannot be put on record', async () => {
    await unlink(await store('unlinked'));
    await expect(content().disposal.dispose(clock.now(), run, unavailable)).rejects.toBeDefined();
    expect(await files()).toBe(1);
  });

  test('a manifest whose bytes are rotten goes on protecting what it refers to', async () => {
    const image = buildImage({ seed: 'rotten manifest' });
    const manifests = new PostgresManifestStore({ database: database.knex, clock });
    for (const bytes of image.blobs.values())
      await content().blobs.import(repository, digestOf(bytes), await writeBlobFile(directory, bytes));
    await manifests.put(repository, storable(image.manifest));
    await database.knex('manifest').update({ bytes: Buffer.from('not a manifest at all') });
    clock.advance({ hours: 1 });
    const sweep = new PostgresContentSweep({ database: database.knex, clock, logger: silentLogger });
    const blobs = [...image.blobs.keys()].map((digest) => ({ repository, kind: 'blob' as const, digest }));
    const kept = blobs.map(() => expect.objectContaining({ keptBy: [image.manifest.digest] }));
    expect(await sweep.inspect(blobs, 100)).toEqual(kept);
  });
});

describe('what a reconciliation deletes is on record before it goes (G13)', () => {
  /** Something of every sort that it deletes; resolves to what is expected on record. */
  async function debris(): Promise<readonly string[]> {
    const begun = await store('marked and never removed');
    await unlink(begun);
    // g1, and killed before anybody had it on record.
    await new PostgresBlobRows({ database: database.knex, clock }).claim(clock.now(), 100, run);
    const damaged_ = await store('damaged');
    await promises.truncate(join(placeOf(damaged_), (await readdir(placeOf(damaged_)))[0] ?? ''), 1);
    await read('damaged');
    await unlink(damaged_);
    await content({ rows: { marked: async () => [] } }).disposal.dispose(clock.now(), run, async () => {});
    await content().reconcile();
    const stray = await store('without a row');
    await database.knex('content_link').where({ digest: stray }).delete();
    await database.knex('blob').where({ digest: stray }).delete();
    await mkdir(join(root, 'incoming'), { recursive: true });
    await writeFile(join(root, 'incoming', 'copy'), 'left behind');
    const again = await store('marked again');
    await unlink(again);
    await new PostgresBlobRows({ database: database.knex, clock }).claim(clock.now(), 100, run);
    clock.advance({ days: 31 });
    return [
      `${again} unlinked: begun before and finished`,
      `${stray} stray: a file that the database does not know`,
      'copy stray: a copy that was never finished',
      `${damaged_} damaged, and in quarantine for long enough`,
    ];
  }

  test('all of it, with its reason, and settled', async () => {
    const expected = await debris();
    const recorded: string[] = [];
    const settled: string[] = [];
    const audit: StorageAudit = {
      async intend(deletions) {
        for (const each of deletions) recorded.push(nameOf(each));
        return { settle: async (outcomes) => void settled.push(...outcomes) };
      },
    };
    await content({ audit }).reconcile();
    expect(recorded).toEqual(expected);
    expect(settled).toEqual(expected.map(() => 'done'));
  });

  test('and what cannot be put on record stays', async () => {
    await debris();
    const before = await files();
    const audit: StorageAudit = { intend: () => Promise.reject(new Error('no database')) };
    await expect(content({ audit }).reconcile()).rejects.toThrow('no database');
    expect(await files()).toBe(before);
    expect(await readdir(join(root, 'incoming'))).toEqual(['copy']);
    expect(await content().files.listQuarantine()).toHaveLength(1);
  });

  const nameOf = (each: StorageDeletion) => `${each.kind === 'file' ? each.reference : each.digest} ${each.reason}`;
});

test('links that somebody has planted are not followed (F127)', async () => {
  await store('kept');
  const elsewhere = join(directory, 'elsewhere');
  const foreign = join(elsewhere, 'ab'.repeat(32));
  await mkdir(foreign, { recursive: true });
  await writeFile(join(foreign, 'cd'.repeat(16)), 'of somebody else');
  await symlink(elsewhere, join(root, 'blobs', 'sha256', 'ab'));
  await writeFile(join(root, 'blobs', 'sha256', 'notes.txt'), 'what is this');
  clock.advance({ hours: 25 });
  expect(await content().reconcile()).toMatchObject({ strays: 0 });
  expect(await readdir(foreign)).toHaveLength(1);
  expect(await readdir(join(root, 'blobs', 'sha256'))).toContain('notes.txt');
});

test('what is in quarantine goes when its time is over', async () => {
  const digest = await store('damaged');
  await promises.truncate(join(placeOf(digest), (await readdir(placeOf(digest)))[0] ?? ''), 1);
  await read('damaged');
  await store('damaged');
  await collect();
  const store_ = content();
  expect(await store_.files.listQuarantine()).toMatchObject([{ digest, size: 1 }]);
  clock.advance({ days: 29 });
  expect(await store_.reconcile()).toMatchObject({ dropped: 0 });
  clock.advance({ days: 2 });
  expect(await store_.reconcile()).toMatchObject({ dropped: 1 });
  expect(await store_.files.listQuarantine()).toEqual([]);
  expect(await read('damaged')).toBe('damaged');
});

test('each call of a collection and of a reconciliation fails once: nothing linked is lost, and the next one finishes (G7)', async () => {
  const counted = { calls: 0, failAt: 0 };
  const fileSystem = new Proxy(promises, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== 'function') return member;
      return async (...parameters: unknown[]) => {
        counted.calls += 1;
        if (counted.calls === counted.failAt) throw Object.assign(new Error('EIO'), { code: 'EIO' });
        return member.apply(target, parameters);
      };
    },
  }) as unknown as FileSystem;
  await store('kept');
  let reached = true;
  for (let at = 1; reached; at += 1) {
    await unlink(await store('to be freed'));
    const stray = await store('stray');
    await database.knex('blob').where({ digest: stray }).delete();
    clock.advance({ hours: 25 });
    const faulty = content({ fileSystem });
    Object.assign(counted, { calls: 0, failAt: at });
    await faulty.disposal.dispose(clock.now(), run, async () => {}).catch(() => undefined);
    await faulty.reconcile().catch(() => undefined);
    reached = counted.calls >= at;
    expect(await read('kept')).toBe('kept');
    await content().reconcile();
    await collect();
    expect([await files(), (await database.knex('blob')).length, await damaged()]).toEqual([1, 1, []]);
    expect(at).toBeLessThan(100);
  }
  expect(counted.failAt).toBeGreaterThan(20);
}, 120_000);

function failing(code: string) {
  return async () => {
    throw Object.assign(new Error(code), { code });
  };
}
