import { EventEmitter } from 'node:events';
import { silentLogger } from '@breakwater/registry-core';
import { createTestDatabase, type MovableClock, movableClock, type TestDatabase } from '@breakwater/test-kit';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { registryHostMigrations } from '../postgres/migrations/index.js';
import { PostgresStorageTasks } from '../postgres/postgres-storage-tasks.js';
import type { BlobFiles } from './blob-files.js';
import type { BlobCensus, BlobDamages, ManifestDamages, StorageTasks } from './ports.js';
import type { ReconcileReport } from './reports.js';
import { StorageUpkeep } from './storage-upkeep.js';
import type { StoreMark } from './store-mark.js';

const REPORT: ReconcileReport = { finished: 0, strays: 0, braked: false, missing: 0, cleared: 0, dropped: 0 };

let database: TestDatabase;
let clock: MovableClock;
let tasks: StorageTasks;
let started: StorageUpkeep[];

beforeEach(async () => {
  database = await createTestDatabase({ migrations: [registryHostMigrations()] });
  clock = movableClock();
  tasks = new PostgresStorageTasks({ database: database.knex, clock });
  started = [];
});
afterEach(async () => {
  for (const upkeep of started) await upkeep.stop();
  await database.drop();
});

/** A process with a store without manifests and blobs; `onScrub` is met at its beginning. */
function start(options: {
  reconcile?: (onBatch: () => Promise<void>) => Promise<ReconcileReport>;
  onScrub?: () => Promise<void>;
  rate?: number;
}): StorageUpkeep {
  const upkeep = new StorageUpkeep({
    files: {} as BlobFiles,
    mark: { check: options.onScrub ?? (async () => undefined) } as unknown as StoreMark,
    blobs: { liveAfter: async () => [] } as unknown as BlobCensus & BlobDamages,
    manifests: { after: async () => [] },
    manifestDamages: {} as ManifestDamages,
    tasks,
    events: new EventEmitter(),
    clock,
    monotonic: { now: () => performance.now() },
    logger: silentLogger,
    rate: options.rate ?? 1_000_000,
    intervalMs: 60_000,
    reconcile: options.reconcile ?? (async () => REPORT),
    lookEveryMs: 20,
  });
  started.push(upkeep);
  upkeep.start();
  return upkeep;
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const finished = async (name: 'scrub' | 'reconcile') => (await tasks.state(name))?.finishedAt;

test('it reconciles at the start, once for all processes, and again after an hour', async () => {
  let runs = 0;
  const reconcile = async () => {
    runs += 1;
    return REPORT;
  };
  start({ reconcile });
  start({ reconcile });
  await until(async () => (await finished('reconcile')) === clock.now());
  expect(await tasks.state('reconcile')).toMatchObject({ running: false, report: REPORT });
  clock.advance({ minutes: 59 });
  await until(async () => (await finished('scrub')) === clock.now());
  expect(runs).toBe(1);
  clock.advance({ minutes: 2 });
  await until(() => runs === 2);
  // A process that begins later reconciles at once: it may have been its own end that left something behind.
  clock.advance({ ms: 1 });
  start({ reconcile });
  await until(() => runs === 3);
});

test('a reconciliation that fails is made again, by whoever looks first', async () => {
  let runs = 0;
  const reconcile = async () => {
    runs += 1;
    if (runs === 1) throw new Error('the store is not mounted');
    return REPORT;
  };
  start({ reconcile });
  await until(async () => (await finished('reconcile')) !== undefined);
  expect(runs).toBe(2);
});

test('who ends stops between two batches, and another one takes over at once', async () => {
  let batches = 0;
  const endless = async (onBatch: () => Promise<void>) => {
    for (;;) {
      await onBatch();
      batches += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const first = start({ reconcile: endless });
  await until(() => batches > 2);
  await first.stop();
  expect(await tasks.state('reconcile')).toMatchObject({ running: false });
  start({});
  await until(async () => (await finished('reconcile')) !== undefined);
});

test('scrubs are made in their interval, and none at a rate of 0', async () => {
  let scrubs = 0;
  const onScrub = async () => {
    scrubs += 1;
  };
  start({ rate: 0, onScrub });
  await until(async () => (await finished('reconcile')) !== undefined);
  start({ onScrub });
  await until(() => scrubs === 1);
  await until(async () => (await finished('scrub')) !== undefined);
  clock.advance({ seconds: 61 });
  await until(() => scrubs === 2);
});
