import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Digest, digestOf, silentLogger } from '@breakwater/registry-core';
import {
  createTestDatabase,
  movableClock,
  readBlob,
  repositoryOf,
  type TestDatabase,
  writeBlobFile,
} from '@breakwater/test-kit';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { registryHostMigrations } from '../src/postgres/migrations/index.js';
import { PostgresBlobRows } from '../src/postgres/postgres-blob-rows.js';
import { PostgresDamageList } from '../src/postgres/postgres-damage-list.js';
import { PostgresUnlinkedManifests } from '../src/postgres/postgres-unlinked-manifests.js';
import { createFilesystemContent } from '../src/storage/filesystem-content.js';

// G2: kill -9 at every step of storing (w3 to w6), of collecting (g1 to g4) and of reconciling. Afterwards each digest is
// absent or whole, a deletion is finished or undone, and no more than one file is left over, until the reconciliation.
// BREAKWATER_TEST_KILL_ROUNDS=50 (npm run test:gc-kill) makes that many kills at each.

const ROUNDS = Number(process.env['BREAKWATER_TEST_KILL_ROUNDS'] ?? 2);
const CHILD = resolve('packages/registry-host/test/support/dying-store.mjs');
const DAY_MS = 24 * 60 * 60_000;
const repository = repositoryOf('org/app', 'registry.example');

interface Step {
  readonly name: string;
  readonly task: 'import' | 'dispose' | 'reconcile';
  /** `fs rename`, `rows publish`. */
  readonly call: string;
  readonly when: 'before' | 'during' | 'after';
  /** Which of several calls; the first unless told. */
  readonly nth?: number;
}

const STEPS: readonly Step[] = [
  { name: 'w3 nothing taken over yet', task: 'import', call: 'rows live', when: 'after' },
  { name: 'w4 before the directory is made', task: 'import', call: 'fs mkdir', when: 'before' },
  { name: 'w4 before the rename', task: 'import', call: 'fs rename', when: 'before' },
  { name: 'w4 in the rename', task: 'import', call: 'fs rename', when: 'during' },
  { name: 'w4 after the rename', task: 'import', call: 'fs rename', when: 'after' },
  { name: 'w5 one directory is flushed', task: 'import', call: 'fs handle.sync', when: 'after' },
  { name: 'w5 another directory is flushed', task: 'import', call: 'fs handle.sync', when: 'after', nth: 3 },
  { name: 'w6 before the row', task: 'import', call: 'rows publish', when: 'before' },
  { name: 'w6 in the transaction', task: 'import', call: 'rows publish', when: 'during' },
  { name: 'w6 the row is live', task: 'import', call: 'rows publish', when: 'after' },
  { name: 'g1 before', task: 'dispose', call: 'rows claim', when: 'before' },
  { name: 'g1 in the transaction', task: 'dispose', call: 'rows claim', when: 'during' },
  { name: 'g1 the row is marked', task: 'dispose', call: 'rows claim', when: 'after' },
  { name: 'g2 before the file is removed', task: 'dispose', call: 'fs unlink', when: 'before' },
  { name: 'g2 while the file is removed', task: 'dispose', call: 'fs unlink', when: 'during' },
  { name: 'g2 the file is removed', task: 'dispose', call: 'fs unlink', when: 'after' },
  { name: 'g2 a damaged file is put into quarantine', task: 'dispose', call: 'fs rename', when: 'after' },
  { name: 'g3 the directory is flushed', task: 'dispose', call: 'fs handle.sync', when: 'after' },
  { name: 'g3 the directory is removed', task: 'dispose', call: 'fs rmdir', when: 'after' },
  { name: 'g4 before the row goes', task: 'dispose', call: 'rows erase', when: 'before' },
  { name: 'g4 in the statement', task: 'dispose', call: 'rows erase', when: 'during' },
  { name: 'g4 the row is gone', task: 'dispose', call: 'rows erase', when: 'after' },
  { name: 'a begun removal is known', task: 'reconcile', call: 'rows marked', when: 'after' },
  { name: 'a begun removal is finished', task: 'reconcile', call: 'rows erase', when: 'after' },
  { name: 'a missing file is marked', task: 'reconcile', call: 'rows report', when: 'during' },
  { name: 'a missing file was marked', task: 'reconcile', call: 'rows report', when: 'after' },
  { name: 'strays are counted', task: 'reconcile', call: 'rows known', when: 'after' },
  { name: 'before the stray is removed', task: 'reconcile', call: 'fs unlink', when: 'before', nth: 2 },
  { name: 'the stray is removed', task: 'reconcile', call: 'fs unlink', when: 'after', nth: 2 },
  { name: 'something in quarantine is removed', task: 'reconcile', call: 'fs unlink', when: 'after', nth: 3 },
];

let database: TestDatabase;
let directory: string;
let root: string;
const clock = movableClock(Date.now());

beforeAll(async () => {
  database = await createTestDatabase({ migrations: [registryHostMigrations()] });
  directory = await mkdtemp(join(tmpdir(), 'store-kills-'));
  root = join(directory, 'store');
});
afterAll(async () => {
  await database.drop();
  await rm(directory, { recursive: true });
});

/** A process that starts after the kill. */
function nextProcess() {
  return createFilesystemContent({
    url: pathToFileURL(root).href,
    rows: new PostgresBlobRows({ database: database.knex, clock }),
    manifests: new PostgresUnlinkedManifests({ database: database.knex }),
    damages: new PostgresDamageList({ database: database.knex }),
    quarantineMs: 1_000,
    clock,
    logger: silentLogger,
    monotonic: { now: () => performance.now() * 1e6 },
  });
}

async function store(bytes: Buffer): Promise<Digest> {
  const digest = digestOf(bytes);
  await nextProcess().blobs.import(repository, digest, await writeBlobFile(directory, bytes));
  return digest;
}

const unlink = async (digest: Digest) => {
  await database.knex('content_link').where({ digest }).delete();
  await database.knex('blob').where({ digest }).update({ unlinked_since: 0 });
};
const placeOf = (digest: Digest) => join(root, 'blobs', 'sha256', digest.slice(7, 9), digest.slice(7));

async function runUntilKilled(step: Step, facts: Readonly<Record<string, unknown>>): Promise<void> {
  const orders = {
    connection: database.connection,
    root,
    repository,
    now: clock.now(),
    ...facts,
    task: step.task,
    step,
  };
  const child = spawn(process.execPath, [CHILD, JSON.stringify(orders)], { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code, signal] = await once(child, 'exit');
  if (signal !== 'SIGKILL') throw new Error(`the step was not reached: ${code}`);
}

/** Files below the store that no row knows. */
async function leftOver(): Promise<readonly string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const rows: { generation: string }[] = await database.knex('blob').select('generation');
  const known = new Set(rows.map(({ generation }) => generation));
  return entries
    .filter((entry) => entry.isFile() && entry.name !== '.breakwater-store' && !known.has(entry.name))
    .map(({ name }) => name);
}

/** Everything that is live is there and is what its digest says. */
async function rehash(): Promise<void> {
  const rows: { digest: Digest; generation: string; state: string }[] = await database.knex('blob');
  const marked: { generation: string }[] = await database.knex('content_damage');
  const damaged = new Set(marked.map(({ generation }) => generation));
  for (const { digest, generation, state } of rows) {
    if (state !== 'live' || damaged.has(generation)) continue;
    expect(digestOf(await readFile(join(placeOf(digest), generation)))).toBe(digest);
  }
}

async function expectAbsentOrWhole(digest: Digest, bytes: Buffer): Promise<void> {
  const found = await readBlob(await nextProcess().blobs.open(repository, digest), 100_000);
  if (found !== undefined) expect(found.equals(bytes)).toBe(true);
}

test.each(STEPS.map((step) => [`${step.task}: ${step.name}`, step] as const))('%s', async (_, step) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const kept = randomBytes(20_000);
    const keptDigest = await store(kept);
    const bytes = randomBytes(20_000);
    const digest = digestOf(bytes);
    const before = (await leftOver()).length;

    if (step.task === 'import') {
      await runUntilKilled(step, { digest, file: await writeBlobFile(directory, bytes) });
    } else if (step.task === 'dispose') {
      await store(bytes);
      await unlink(digest);
      if (step.call === 'fs rename') {
        const [{ generation }] = await database.knex('blob').where({ digest });
        await truncate(join(placeOf(digest), generation), 5);
        await nextProcess().blobs.open(repository, digest);
        await new PostgresBlobRows({ database: database.knex, clock }).report(
          { digest, generation, size: 20_000 },
          'size',
        );
      }
      await runUntilKilled(step, {});
    } else {
      await prepareDebris(digest, bytes);
      await runUntilKilled(step, {});
    }

    // No live row without its whole file, seen before anybody looks for it.
    if (step.task !== 'reconcile') await rehash();
    // Nothing is served wrong, and what was linked is untouched.
    await expectAbsentOrWhole(digest, bytes);
    expect((await readBlob(await nextProcess().blobs.open(repository, keptDigest), 100_000))?.equals(kept)).toBe(true);
    await rehash();
    const isDebris = step.task === 'reconcile';
    if (!isDebris) expect((await leftOver()).length - before).toBeLessThanOrEqual(1);

    // The next start finishes what was begun, and the digest can be stored anew.
    const recovered = nextProcess();
    await recovered.reconcile();
    expect(await database.knex('blob').where({ state: 'deleting' })).toEqual([]);
    await recovered.blobs.import(repository, digest, await writeBlobFile(directory, bytes));
    expect((await readBlob(await recovered.blobs.open(repository, digest), 100_000))?.equals(bytes)).toBe(true);
    await rehash();
  }

  // What is left over goes after a day, and everything that is stored has its row and its file.
  clock.advance({ ms: DAY_MS + 60_000 });
  const last = nextProcess();
  await last.reconcile();
  expect(await leftOver()).toEqual([]);
  await rehash();
  const rows: { digest: Digest; generation: string }[] = await database.knex('blob');
  for (const { digest, generation } of rows) await access(join(placeOf(digest), generation));
  expect(await readdir(join(root, 'incoming')).catch(() => [])).toEqual([]);
});

/** A removal that was begun, a file without a row, a row without a file, and something whose time in quarantine is over. */
async function prepareDebris(digest: Digest, bytes: Buffer): Promise<void> {
  const begun = await store(randomBytes(100));
  await unlink(begun);
  await database.knex('blob').where({ digest: begun }).update({ state: 'deleting' });
  const stray = await store(randomBytes(100));
  await database.knex('blob').where({ digest: stray }).delete();
  await database.knex('content_link').where({ digest: stray }).delete();
  await mkdir(join(root, 'quarantine'), { recursive: true });
  const quarantined = `sha256-${digestOf(randomBytes(10)).slice(7)}.${randomBytes(16).toString('hex')}`;
  await rename(await writeBlobFile(directory, randomBytes(10)), join(root, 'quarantine', quarantined));
  await store(bytes);
  await rm(placeOf(digest), { recursive: true });
  clock.advance({ ms: DAY_MS + 60_000 });
}
