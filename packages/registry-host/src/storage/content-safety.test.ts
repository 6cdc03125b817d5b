import * as promises from 'node:fs/promises';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  type ContentLink,
  type Digest,
  type DisposableContent,
  digestOf,
  type Repository,
  silentLogger,
} from '@breakwater/registry-core';
import {
  buildImage,
  buildIndex,
  createTestDatabase,
  movableClock,
  openPool,
  readBlob,
  repositoryOf,
  storable,
  type TestDatabase,
  tagOf,
  writeBlobFile,
} from '@breakwater/test-kit';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Knex } from 'knex';
import { registryHostMigrations } from '../postgres/migrations/index.js';
import { PostgresBlobRows } from '../postgres/postgres-blob-rows.js';
import { PostgresContentSweep } from '../postgres/postgres-content-sweep.js';
import { PostgresContentUse } from '../postgres/postgres-content-use.js';
import { PostgresManifestStore } from '../postgres/postgres-manifest-store.js';
import { PostgresTagStore } from '../postgres/postgres-tag-store.js';
import { PostgresUnlinkedManifests } from '../postgres/postgres-unlinked-manifests.js';
import type { FileSystem } from './file-system.js';
import { createFilesystemContent } from './filesystem-content.js';

const clock = movableClock();
const repository = repositoryOf('org/app', 'registry.example');
const second = repositoryOf('org/other', 'registry.example');
const run = { id: 'run' };
const otherRun = { id: 'other run' };
const unrecorded = async () => {};

/** Everything one process of a registry has, over a pool of its own. */
function processOn(database: Knex, root: string, faults: { fileSystem?: FileSystem; rows?: PostgresBlobRows } = {}) {
  const rows = faults.rows ?? new PostgresBlobRows({ database, clock });
  const { fileSystem } = faults;
  return {
    rows,
    manifests: new PostgresManifestStore({ database, clock }),
    tags: new PostgresTagStore({ database }),
    sweep: new PostgresContentSweep({ database, clock, logger: silentLogger }),
    use: new PostgresContentUse({ database }),
    content: createFilesystemContent({
      url: pathToFileURL(root).href,
      rows,
      manifests: new PostgresUnlinkedManifests({ database }),
      clock,
      logger: silentLogger,
      // Look-ups are never remembered here: these tests ask what is true now.
      monotonic: { now: () => performance.now() * 1e6 },
      ...(fileSystem === undefined ? {} : { fileSystem }),
    }),
  };
}

let database: TestDatabase;
let otherPool: Knex;
let directory: string;
let root: string;
let one: ReturnType<typeof processOn>;
let two: ReturnType<typeof processOn>;
let queryErrors: string[];

beforeEach(async () => {
  database = await createTestDatabase({ migrations: [registryHostMigrations()] });
  otherPool = openPool(database.connection);
  queryErrors = [];
  for (const pool of [database.knex, otherPool]) {
    pool.on('query-error', (error: { code?: string }) => queryErrors.push(String(error.code)));
  }
  directory = await mkdtemp(join(tmpdir(), 'content-safety-'));
  root = join(directory, 'store');
  one = processOn(database.knex, root);
  two = processOn(otherPool, root);
});

afterEach(async () => {
  await otherPool.destroy();
  await database.drop();
  await rm(directory, { recursive: true });
});

async function importBlob(to: Repository, bytes: Buffer, by = one): Promise<Digest> {
  const digest = digestOf(bytes);
  await by.content.blobs.import(to, digest, await writeBlobFile(directory, bytes));
  return digest;
}

/** The links of a kind that the candidates lead to and that nothing of the host needs. */
async function unreachable(kind: 'manifest' | 'blob', by = one): Promise<ContentLink[]> {
  const found = new Map<string, ContentLink>();
  let cursor: string | undefined;
  do {
    const page = await by.sweep.candidates({ usedBefore: clock.now(), cursor, limit: 20 });
    for (const link of await by.sweep.inspect(page.candidates, 10)) {
      if (link?.kind !== kind || link.usedAt >= clock.now() || link.tags.length + link.keptBy.length > 0) continue;
      const { repository, digest, usedAt } = link;
      found.set(`${repository.name} ${digest}`, { repository, kind, digest, usedAt });
    }
    cursor = page.next;
  } while (cursor !== undefined);
  return [...found.values()];
}

async function blobOf(from: Repository, digest: Digest, by = one): Promise<Buffer | undefined> {
  return readBlob(await by.content.blobs.open(from, digest));
}

async function storedFiles(): Promise<string[]> {
  const entries = await readdir(join(root, 'blobs'), { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

async function disposeAll(by = one): Promise<number> {
  clock.advance({ ms: 1 });
  let blobs = 0;
  for (let done = false; !done; ) {
    const disposed = await by.content.disposal.dispose(clock.now(), run, unrecorded);
    blobs += disposed.freed.filter(({ kind }) => kind === 'blob').length;
    done = disposed.done;
  }
  return blobs;
}

describe('what the sweep lists', () => {
  test('only links that nothing needs, page by page', async () => {
    const image = buildImage({ seed: 'kept' });
    const index = buildIndex([image]);
    const tagged = buildImage({ seed: 'tagged', layers: 1 });
    const hosted = repositoryOf('hosted/app');
    for (const [digest, bytes] of image.blobs) expect(await importBlob(repository, bytes)).toBe(digest);
    const stray = await importBlob(repository, Buffer.from('nobody needs this'));
    clock.advance({ seconds: 1 });
    for (const { manifest } of [image, index]) await one.manifests.put(repository, storable(manifest));
    await one.manifests.put(hosted, storable(tagged.manifest));
    await one.tags.point(hosted, tagOf('latest'), tagged.manifest.digest);
    expect(await unreachable('manifest')).toEqual([]);
    clock.advance({ seconds: 1 });

    expect((await unreachable('blob')).map((link) => link.digest)).toEqual([stray]);
    expect(await unreachable('manifest')).toEqual([
      { repository, kind: 'manifest', digest: index.manifest.digest, usedAt: clock.now() - 1_000 },
    ]);

    // The image lives in another repository too, which protects nothing in this one.
    await one.manifests.put(second, storable(index.manifest));
    await one.sweep.remove(await unreachable('manifest'), run);
    expect((await unreachable('manifest')).map((link) => link.digest)).toEqual([image.manifest.digest]);
    await one.sweep.remove(await unreachable('manifest'), run);
    expect((await unreachable('blob')).map((link) => link.digest).sort()).toEqual(
      [stray, ...image.blobs.keys()].sort(),
    );
  });

  test('what comes into being, what a hosted tag leaves, and what a manifest kept that is unlinked', async () => {
    const hosted = repositoryOf('hosted/app');
    const image = buildImage({ seed: 'queued', layers: 1 });
    const next = buildImage({ seed: 'queued next', layers: 0 });
    for (const bytes of image.blobs.values()) await importBlob(hosted, bytes);
    await one.manifests.put(hosted, storable(image.manifest));
    await one.manifests.put(hosted, storable(next.manifest));
    await one.tags.point(hosted, tagOf('latest'), image.manifest.digest);
    clock.advance({ seconds: 1 });
    expect(await candidates()).toEqual([image.manifest.digest, next.manifest.digest, ...image.blobs.keys()].sort());
    // Looked at once, and nothing happens: nothing is looked at again.
    await settleAll();
    await one.manifests.put(hosted, storable(image.manifest));
    expect(await candidates()).toEqual([]);

    await one.tags.point(hosted, tagOf('latest'), next.manifest.digest);
    expect(await candidates()).toEqual([image.manifest.digest]);
    await settleAll();
    await database.knex('hosted_tag').delete();
    expect(await candidates()).toEqual([next.manifest.digest]);
    await settleAll();
    clock.advance({ seconds: 1 });
    const [looked] = await one.sweep.inspect(
      [{ repository: hosted, kind: 'manifest', digest: image.manifest.digest }],
      5,
    );
    if (looked === undefined) throw new Error('no link');
    expect(await one.sweep.remove([looked], run)).toEqual([true]);
    expect(await candidates()).toEqual([...image.blobs.keys()].sort());
  });

  test('what is under lease comes again when the lease is over, what is considered comes at once', async () => {
    const digest = await importBlob(repository, Buffer.from('leased'));
    clock.advance({ seconds: 1 });
    const { candidates: found } = await one.sweep.candidates({ usedBefore: clock.now(), limit: 10 });
    await one.sweep.settle(found.map(({ id }) => ({ id, usedAt: clock.now() + 5_000 })));
    clock.advance({ seconds: 5 });
    expect(await candidates()).toEqual([]);
    clock.advance({ ms: 1 });
    expect(await candidates()).toEqual([digest]);
    await settleAll();
    await one.sweep.consider([{ repository, kind: 'blob', digest }]);
    expect(await candidates()).toEqual([digest]);
    expect(
      (
        await one.sweep.candidates({
          usedBefore: clock.now(),
          organization: repositoryOf('x/y').organization,
          limit: 9,
        })
      ).candidates,
    ).toEqual([]);
  });

  async function candidates(): Promise<string[]> {
    const page = await one.sweep.candidates({ usedBefore: clock.now(), limit: 100 });
    return [...new Set(page.candidates.map(({ digest }) => digest))].sort();
  }

  async function settleAll(): Promise<void> {
    const page = await one.sweep.candidates({ usedBefore: clock.now(), limit: 100 });
    await one.sweep.settle(page.candidates.map(({ id }) => ({ id })));
  }
});

describe('a run that was taken for dead', () => {
  test('removes nothing once a later one has removed something', async () => {
    const first = await importBlob(repository, Buffer.from('first'));
    await importBlob(repository, Buffer.from('second'));
    clock.advance({ seconds: 1 });
    const links = await unreachable('blob');
    const of = (digest: string) => links.filter((link) => link.digest === digest);
    expect(await one.sweep.remove(of(first), { id: 'later', token: 2 })).toEqual([true]);
    const stale = { id: 'earlier', token: 1 };
    const superseded = { code: 'COLLECTION_SUPERSEDED' };
    await expect(two.sweep.remove(links, stale)).rejects.toMatchObject(superseded);
    clock.advance({ seconds: 1 });
    await expect(two.content.disposal.dispose(clock.now(), stale, unrecorded)).rejects.toMatchObject(superseded);
    expect(await storedFiles()).toHaveLength(2);
    const { freed } = await two.content.disposal.dispose(clock.now(), { id: 'later', token: 2 }, unrecorded);
    expect(freed).toMatchObject([{ digest: first }]);
  });
});

describe('what the sweep removes', () => {
  test('what was used, put again, tagged or needed since it was listed is kept', async () => {
    const hosted = repositoryOf('hosted/app');
    const images = ['touched', 'put', 'tagged', 'needed', 'unused'].map((seed) => buildImage({ seed }));
    const [touched, put, tagged, needed, unused] = images;
    if (!touched || !put || !tagged || !needed || !unused) throw new Error('no images');
    for (const image of images) await one.manifests.put(hosted, storable(image.manifest));
    clock.advance({ seconds: 1 });
    const links = await unreachable('manifest');
    expect(links).toHaveLength(5);

    // The clock stands still, and even goes back: moved is moved.
    clock.advance({ seconds: -5 });
    const uses = [touched.manifest, { digest: digestOf(Buffer.from('not linked')) }, touched.manifest];
    expect(
      await two.use.touch(
        uses.map(({ digest }) => ({ repository: hosted, digest })),
        clock.now(),
      ),
    ).toEqual([true, false, true]);
    await two.manifests.put(hosted, storable(put.manifest));
    await two.tags.point(hosted, tagOf('latest'), tagged.manifest.digest);
    await two.manifests.put(hosted, storable(buildIndex([needed]).manifest));
    clock.advance({ seconds: 5 });

    expect(await one.sweep.remove(links, run)).toEqual(links.map((link) => link.digest === unused.manifest.digest));
    expect(await one.manifests.get(hosted, unused.manifest.digest)).toBeUndefined();
    for (const image of [touched, put, tagged, needed]) {
      expect(await one.manifests.get(hosted, image.manifest.digest)).toBeDefined();
    }
  });

  test('a blob that a put in flight needs is kept, though the put is not committed', async () => {
    const { knex } = database;
    await knex.raw(`
      CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END';
      CREATE CONSTRAINT TRIGGER wait_before_commit AFTER INSERT ON manifest
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_for_test();
    `);
    const image = buildImage({ seed: 'in flight' });
    for (const bytes of image.blobs.values()) await importBlob(repository, bytes);
    clock.advance({ seconds: 1 });
    const links = await unreachable('blob');
    expect(links).toHaveLength(image.blobs.size);
    let putting: Promise<void> | undefined;
    await knex.transaction(async (holder) => {
      await holder.raw('SELECT pg_advisory_xact_lock(4711)');
      putting = two.manifests.put(repository, storable(image.manifest));
      await waitUntil(async () => {
        const { rows } = await knex.raw<{ rows: unknown[] }>(
          `SELECT FROM pg_locks JOIN pg_database d ON d.oid = database
            WHERE locktype = 'advisory' AND NOT granted AND d.datname = current_database()`,
        );
        return rows.length === 1;
      });
      expect(await one.sweep.remove(links, run)).toEqual(links.map(() => false));
    });
    await putting;
    expect(await unreachable('blob')).toEqual([]);
    for (const [digest, bytes] of image.blobs) expect(await blobOf(repository, digest)).toEqual(bytes);
  });

  test('a tag that was pointed, and a blob that was there after a put, stay, whoever races', async () => {
    const hosted = repositoryOf('hosted/raced');
    for (let round = 0; round < 25; round += 1) {
      const image = buildImage({ seed: round, layers: 1 });
      for (const bytes of image.blobs.values()) await importBlob(repository, bytes);
      await one.manifests.put(hosted, storable(image.manifest));
      clock.advance({ seconds: 1 });
      const links = [...(await unreachable('manifest')), ...(await unreachable('blob'))];
      const [pointed, seen] = await Promise.all([
        two.tags.point(hosted, tagOf(`t${round}`), image.manifest.digest),
        two.manifests
          .put(repository, storable(image.manifest))
          .then(() => Promise.all([...image.blobs.keys()].map((digest) => two.rows.linked(repository, digest)))),
        one.sweep.remove(links, run),
        two.sweep.remove([...links].reverse(), otherRun),
      ]);
      if (pointed) expect(await one.manifests.get(hosted, image.manifest.digest)).toBeDefined();
      for (const blob of seen) if (blob) expect(await blobOf(repository, blob.digest)).toBeDefined();
    }
    expect(queryErrors).toEqual([]);
  });

  test('of the last two links, removed at once, one removal notes that nothing is left', async () => {
    for (let round = 0; round < 15; round += 1) {
      const digest = await importBlob(repository, Buffer.from(`last two ${round}`));
      await importBlob(second, Buffer.from(`last two ${round}`));
      clock.advance({ seconds: 1 });
      const [first, last] = await unreachable('blob');
      if (!first || !last) throw new Error('no links');
      await Promise.all([one.sweep.remove([first], run), two.sweep.remove([last], otherRun)]);
      expect(await blobOf(repository, digest)).toBeUndefined();
      expect(await disposeAll()).toBe(1);
    }
    expect(await storedFiles()).toEqual([]);
  });
});

describe('disposal', () => {
  async function unlink(): Promise<void> {
    clock.advance({ seconds: 1 });
    await one.sweep.remove(await unreachable('manifest'), run);
    await one.sweep.remove(await unreachable('blob'), run);
  }

  test('frees content and disk once no repository links to it and the grace is over; a dry run says the same', async () => {
    const image = buildImage({ seed: 'freed', layers: 1 });
    const bytes = [...image.blobs.values()];
    for (const each of bytes) await importBlob(repository, each);
    await one.manifests.put(repository, storable(image.manifest));
    await importBlob(second, bytes[0] ?? Buffer.alloc(0));
    const expected = [
      { kind: 'manifest', digest: image.manifest.digest, size: image.manifest.bytes.byteLength },
      ...bytes.map((each) => ({ kind: 'blob', digest: digestOf(each), size: each.byteLength })),
    ].sort(byDigest);
    const withoutGeneration = (items: readonly DisposableContent[]) =>
      items.map(({ kind, digest, size }) => ({ kind, digest, size })).sort(byDigest);
    const links = await database.knex('content_link');
    const unlinkedFrom = clock.now();
    const foreseen = await one.content.disposal.linkedOnlyBy(
      links.map(({ organization, upstream, repository: name, kind, digest }) => ({
        repository: repositoryOf(`${organization}/${name}`, upstream),
        kind,
        digest,
        usedAt: 0,
      })),
    );
    expect(withoutGeneration(foreseen)).toEqual(expected);
    await unlink();
    const nothing = { freed: [], done: true };
    expect(await one.content.disposal.dispose(unlinkedFrom, run, unrecorded)).toEqual(nothing);
    clock.advance({ seconds: 1 });
    const listed: DisposableContent[] = [];
    let cursor: string | undefined;
    do {
      const page = await one.content.disposal.disposable(clock.now(), cursor, 1);
      listed.push(...page.items);
      cursor = page.next;
    } while (cursor !== undefined);
    expect(withoutGeneration(listed)).toEqual(expected);
    expect(await storedFiles()).toHaveLength(2);

    const intended: DisposableContent[] = [];
    const disposed = await one.content.disposal.dispose(clock.now(), run, async (items) => {
      intended.push(...items);
    });
    expect(disposed.done).toBe(true);
    expect([...disposed.freed].sort(byDigest)).toEqual([...listed].sort(byDigest));
    expect(intended.sort(byDigest)).toEqual(listed.sort(byDigest));
    expect(await storedFiles()).toEqual([]);
    expect(await one.content.disposal.dispose(clock.now(), run, unrecorded)).toEqual(nothing);
  });

  test('what cannot be put on record is not freed (G13)', async () => {
    const image = buildImage({ seed: 'unrecorded', layers: 1 });
    for (const bytes of image.blobs.values()) await importBlob(repository, bytes);
    await one.manifests.put(repository, storable(image.manifest));
    await unlink();
    clock.advance({ seconds: 1 });
    const refuse = async () => {
      throw new Error('no record');
    };
    await expect(one.content.disposal.dispose(clock.now(), run, refuse)).rejects.toThrow('no record');
    await database.knex('manifest').delete();
    await expect(one.content.disposal.dispose(clock.now(), run, refuse)).rejects.toThrow('no record');
    expect(await storedFiles()).toHaveLength(2);
    expect(await disposeAll()).toBe(2);
  });

  test('content that one repository still links to stays', async () => {
    const digest = await importBlob(repository, Buffer.from('shared'));
    clock.advance({ seconds: 1 });
    const links = await unreachable('blob');
    await importBlob(second, Buffer.from('shared'));
    await one.sweep.remove(links, run);
    expect(await disposeAll()).toBe(0);
    expect(await blobOf(repository, digest)).toBeUndefined();
    expect(await blobOf(second, digest)).toEqual(Buffer.from('shared'));
  });

  test('an import or a put that races removal and two disposers wins, or stores the content anew', async () => {
    for (let round = 0; round < 25; round += 1) {
      const bytes = Buffer.from(`raced ${round}`);
      const image = buildImage({ seed: `raced ${round}`, layers: 0 });
      const digest = await importBlob(repository, bytes);
      await one.manifests.put(repository, storable(image.manifest));
      clock.advance({ seconds: 1 });
      const unneeded = [...(await unreachable('blob')), ...(await unreachable('manifest'))];
      const links = unneeded.filter((link) => link.repository.name === repository.name);
      const unlinkedBefore = round % 2 === 0;
      if (unlinkedBefore) await one.sweep.remove(links, run);
      clock.advance({ seconds: 1 });
      await Promise.all([
        ...(unlinkedBefore ? [] : [one.sweep.remove(links, run)]),
        one.content.disposal.dispose(clock.now(), run, unrecorded),
        two.content.disposal.dispose(clock.now(), otherRun, unrecorded),
        importBlob(second, bytes, two),
        two.manifests.put(second, storable(image.manifest)),
      ]);
      expect(await blobOf(second, digest)).toEqual(bytes);
      expect(await one.manifests.get(second, image.manifest.digest)).toBeDefined();
    }
    expect(queryErrors).toEqual([]);
    await disposeAll();
    expect(await storedFiles()).toHaveLength(25);
  });

  test('content that is linked is kept, whatever its row says', async () => {
    const bytes = Buffer.from('linked while marked');
    const image = buildImage({ seed: 'linked while marked' });
    const digest = await importBlob(repository, bytes);
    await one.manifests.put(repository, storable(image.manifest));
    const links = await database.knex('content_link');
    await unlink();
    clock.advance({ seconds: 1 });
    // Links without the clearing of unlinked_since: what a race would leave if the row locks did not keep it out.
    await database.knex('content_link').insert(links);
    expect((await one.content.disposal.disposable(clock.now(), undefined, 10)).items).toEqual([]);
    expect((await one.content.disposal.dispose(clock.now(), run, unrecorded)).freed).toEqual([]);
    expect(await blobOf(repository, digest)).toEqual(bytes);
    expect(await one.manifests.get(repository, image.manifest.digest)).toBeDefined();
  });

  test('a file that cannot be removed fails the disposal, keeps no other, and goes with a later one', async () => {
    const stuck = await importBlob(repository, Buffer.from('stuck'));
    await importBlob(repository, Buffer.from('loose'));
    await unlink();
    clock.advance({ seconds: 1 });
    let fail = true;
    const faulty = processOn(database.knex, root, {
      fileSystem: {
        ...promises,
        unlink: async (path) => {
          if (fail && String(path).includes(stuck.slice('sha256:'.length))) {
            throw Object.assign(new Error('not now'), { code: 'EIO' });
          }
          return promises.unlink(path);
        },
      },
    });
    await expect(faulty.content.disposal.dispose(clock.now(), run, unrecorded)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      detail: { reason: 'storage', problem: 'STORE_FAILED' },
    });
    expect(await storedFiles()).toHaveLength(1);
    fail = false;
    expect((await faulty.content.disposal.dispose(clock.now(), run, unrecorded)).freed).toMatchObject([
      { digest: stuck },
    ]);
    expect(await storedFiles()).toEqual([]);
  });
});

describe('a process that dies at any step (G2)', () => {
  /** Counts calls to the disk and to the blob rows; at the n-th the process is dead, and so are all calls after it. */
  function dyingProcess(dieAt: number) {
    let calls = 0;
    const orDie = <T extends object>(target: T): T =>
      new Proxy(target, {
        get(object, property) {
          const member: unknown = Reflect.get(object, property, object);
          if (typeof member !== 'function') return member;
          return async (...parameters: unknown[]) => {
            calls += 1;
            if (calls >= dieAt) throw new Error('killed');
            return member.apply(object, parameters);
          };
        },
      });
    const fileSystem = orDie({ ...promises });
    const rows = orDie(new PostgresBlobRows({ database: database.knex, clock }));
    return { process: processOn(database.knex, root, { fileSystem, rows }), died: () => calls >= dieAt };
  }

  async function rowCount(): Promise<number> {
    return (await database.knex('blob')).length;
  }

  test('an import leaves the blob absent or whole, and debris that reconcile removes', async () => {
    let died = true;
    let step = 0;
    for (step = 1; died; step += 1) {
      const bytes = Buffer.from(`import killed at ${step}`);
      const dying = dyingProcess(step);
      await importBlob(repository, bytes, dying.process).catch(() => undefined);
      died = dying.died();
      const digest = digestOf(bytes);
      expect([undefined, bytes]).toContainEqual(await blobOf(repository, digest));
      await importBlob(repository, bytes);
      expect(await blobOf(repository, digest)).toEqual(bytes);
    }
    expect(step).toBeGreaterThan(8);
    clock.set(Date.now());
    clock.advance({ hours: 25 });
    await one.content.reconcile();
    await disposeAll();
    expect((await storedFiles()).length).toBe(await rowCount());
    expect(await rowCount()).toBe(step - 1);
  });

  test('a disposal leaves the blob gone or to be finished, and a new import is not harmed', async () => {
    let died = true;
    let step = 0;
    for (step = 1; died; step += 1) {
      const bytes = Buffer.from(`disposal killed at ${step}`);
      const digest = await importBlob(repository, bytes);
      clock.advance({ seconds: 1 });
      await one.sweep.remove(await unreachable('blob'), run);
      clock.advance({ seconds: 1 });
      const dying = dyingProcess(step);
      await dying.process.content.disposal.dispose(clock.now(), run, unrecorded).catch(() => undefined);
      died = dying.died();
      if (step % 2 === 0) {
        await importBlob(second, bytes);
        await one.content.reconcile();
        expect(await blobOf(second, digest)).toEqual(bytes);
        await database.knex('content_link').delete();
        await database.knex('blob').update({ unlinked_since: 0 });
      } else {
        await one.content.reconcile();
      }
      await disposeAll();
      expect(await rowCount()).toBe(0);
      expect(await storedFiles()).toEqual([]);
    }
    expect(step).toBeGreaterThan(6);
  });
});

describe('reconcile', () => {
  test('removes files without a row after a day, not before, and none that has one', async () => {
    clock.set(Date.now());
    const kept = await importBlob(repository, Buffer.from('kept'));
    const lost = await importBlob(repository, Buffer.from('lost'));
    await database.knex('blob').where({ digest: lost }).delete();
    clock.advance({ hours: 23 });
    expect(await one.content.reconcile()).toMatchObject({ finished: 0, strays: 0, braked: false });
    clock.advance({ hours: 2 });
    expect(await one.content.reconcile()).toMatchObject({ finished: 0, strays: 1, braked: false });
    expect(await blobOf(repository, kept)).toEqual(Buffer.from('kept'));
    expect(await storedFiles()).toHaveLength(1);
  });

  test('leaves a row whose file is missing; opening it is a miss, importing it again makes it whole', async () => {
    const bytes = Buffer.from('the file is lost');
    const digest = await importBlob(repository, bytes);
    await rm(join(root, 'blobs', 'sha256', digest.slice(7, 9)), { recursive: true });
    await one.content.reconcile();
    expect(await one.content.blobs.open(repository, digest)).toBeUndefined();
    await importBlob(repository, bytes);
    expect(await blobOf(repository, digest)).toEqual(bytes);
    await disposeAll();
    expect(await storedFiles()).toHaveLength(1);
  });
});

describe('a store that is not mounted (F113)', () => {
  test('nothing is written, nothing removed, and nothing is taken for a miss', async () => {
    const bytes = Buffer.from('on the volume');
    const digest = await importBlob(repository, bytes);
    await importBlob(repository, Buffer.from('to be freed'));
    clock.advance({ seconds: 1 });
    await one.sweep.remove(
      (await unreachable('blob')).filter((link) => link.digest !== digest),
      run,
    );
    clock.advance({ seconds: 1 });
    await promises.rename(root, `${root}.unmounted`);
    await promises.mkdir(root);
    const unmounted = {
      code: 'UNAVAILABLE',
      status: 503,
      detail: { reason: 'storage', problem: 'STORE_UNMOUNTED' },
    };
    for (const each of [one, processOn(otherPool, root)]) {
      await expect(importBlob(repository, Buffer.from('new'), each)).rejects.toMatchObject(unmounted);
      await expect(each.content.disposal.dispose(clock.now(), run, unrecorded)).rejects.toMatchObject(unmounted);
      await expect(each.content.reconcile()).rejects.toMatchObject(unmounted);
      await expect(each.content.blobs.open(repository, digest)).rejects.toMatchObject(unmounted);
    }
    expect(await readdir(root)).toEqual([]);
    expect(await database.knex('blob')).toHaveLength(2);
    await promises.rmdir(root);
    await promises.rename(`${root}.unmounted`, root);
    expect(await blobOf(repository, digest)).toEqual(bytes);
    expect(await disposeAll()).toBe(1);
  });

  test("another database's store is not touched", async () => {
    await importBlob(repository, Buffer.from('theirs'));
    const ours = await createTestDatabase({ migrations: [registryHostMigrations()] });
    try {
      const registry = processOn(ours.knex, root);
      clock.advance({ days: 30 });
      await expect(registry.content.reconcile()).rejects.toMatchObject({ detail: { problem: 'STORE_UNMOUNTED' } });
      expect(await storedFiles()).toHaveLength(1);
    } finally {
      await ours.drop();
    }
  });
});

async function waitUntil(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function byDigest(one: { readonly digest: string }, other: { readonly digest: string }): number {
  return one.digest < other.digest ? -1 : 1;
}
