import { type Gc, gcMigrations } from '@breakwater/gc';
import { createTestDatabase, movableClock, type TestDatabase } from '@breakwater/test-kit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { FakeRegistry, repositoryNamed, UPSTREAM } from './fake-registry.js';
import { gcOf } from './test-gc.js';

const app = repositoryNamed('app');
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ migrations: [gcMigrations()] });
});
beforeEach(() => database.knex.raw('TRUNCATE gc_run, gc_deletion CASCADE'));
afterAll(() => database.drop());

function registryWithOldTags(count: number): FakeRegistry {
  const registry = new FakeRegistry(movableClock());
  const digest = registry.putImage(app, 'image', ['layer']);
  for (let index = 0; index < count; index += 1) registry.tag(app, `t${index}`, digest);
  registry.clock.advance({ days: 1 });
  return registry;
}

function collectorOf(registry: FakeRegistry): Gc {
  return gcOf(registry, { knex: database.knex });
}

/** Holds a run at the given port until it is released. */
function holdAt(registry: FakeRegistry, port: 'list' | 'expire' | 'inspect') {
  let release = () => {};
  let arrived = () => {};
  const reached = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const waiting = new Promise<void>((resolve) => {
    release = resolve;
  });
  registry.before[port] = () => {
    delete registry.before[port];
    arrived();
    return waiting;
  };
  return { reached, release };
}

/** Resolves when three of them have ended, in whatever way. */
function threeEnded(runs: readonly Promise<unknown>[]): Promise<void> {
  return new Promise((resolve) => {
    let ended = 0;
    const count = () => {
      ended += 1;
      if (ended === 3) resolve();
    };
    for (const run of runs) run.then(count, count);
  });
}

describe('the record of a run', () => {
  test('has the numbers, and every deletion with its reason (G13)', async () => {
    const registry = registryWithOldTags(2);
    const { upstream: _, ...hosted } = app;
    registry.putImage(hosted, 'hosted', []);
    const report = await collectorOf(registry).runOnce();
    const runs = await database.knex('gc_run').select();
    expect(runs).toMatchObject([
      {
        run_id: report.runId,
        state: 'done',
        started_at: new Date(report.startedAt),
        finished_at: new Date(report.finishedAt),
        report: { expired_total: 2, freed: { manifests: 2, blobs: 3 } },
      },
    ]);
    const deletions = await database.knex('gc_deletion').orderBy('id');
    expect(deletions).toHaveLength(2 + 2 + 3 + 5);
    expect(deletions[0]).toMatchObject({
      run_id: report.runId,
      kind: 'tag',
      organization: 'acme',
      repository: 'app',
      upstream: UPSTREAM,
      reference: 't0',
      reason: 'lapsed',
      state: 'done',
      intended_at: new Date(report.startedAt),
    });
    expect(deletions.filter(({ upstream, repository }) => upstream === null && repository !== null)).toHaveLength(2);
    expect(deletions.filter(({ repository }) => repository === null)).toEqual(
      [10, 10, 1, 10, 1].map((size) =>
        expect.objectContaining({
          run_id: report.runId,
          kind: size === 1 ? 'manifest_content' : 'blob_content',
          size: String(size),
          reason: 'unlinked',
        }),
      ),
    );
    expect(deletions.slice(2, 7).map(({ kind, reason }) => [kind, reason])).toEqual([
      ['manifest', 'unreachable'],
      ['manifest', 'unreachable'],
      ['blob', 'unreachable'],
      ['blob', 'unreachable'],
      ['blob', 'unreachable'],
    ]);
    expect(new Set(deletions.map(({ state }) => state))).toEqual(new Set(['done']));
  });

  test('tells what was kept after all from what went', async () => {
    const registry = registryWithOldTags(2);
    registry.before.expire = () => {
      const tag = [...registry.cachedTags.values()][0];
      if (tag !== undefined) tag.lastUsedAt = registry.clock.now();
    };
    await collectorOf(registry).runOnce();
    const deletions = await database.knex('gc_deletion').where({ kind: 'tag' }).orderBy('reference');
    expect(deletions.map(({ reference, state }) => [reference, state])).toEqual([
      ['t0', 'kept'],
      ['t1', 'done'],
    ]);
  });

  test('shows what was about to happen when the deletion itself failed', async () => {
    const registry = registryWithOldTags(1);
    registry.before.expire = () => {
      throw Object.assign(new Error('cut off'), { code: 'ECONNRESET' });
    };
    const report = await collectorOf(registry).runOnce();
    expect(report.outcome).toBe('failed');
    expect(await database.knex('gc_deletion').where({ kind: 'tag' })).toMatchObject([{ state: 'intended' }]);
    expect(await database.knex('gc_run')).toMatchObject([{ state: 'failed' }]);
  });

  test('is not written by a dry run, which needs no lease either', async () => {
    const registry = registryWithOldTags(1);
    const { reached, release } = holdAt(registry, 'list');
    const first = collectorOf(registry).runOnce();
    await reached;
    const dry = await collectorOf(registry).runOnce({ dryRun: true });
    expect(dry.expiredTotal).toBe(1);
    release();
    await first;
    expect(await database.knex('gc_run')).toHaveLength(1);
  });
});

describe('the audit', () => {
  const stray = { kind: 'file', reference: 'copy', size: 7, reason: 'stray' } as const;

  test('has what no run deletes, and what files a run drops', async () => {
    const registry = registryWithOldTags(0);
    const staleFiles = [
      {
        name: 'uploads',
        async drop(_: number, dryRun: boolean, onDrop: (files: { name: string; bytes: number }[]) => Promise<void>) {
          if (!dryRun) await onDrop([{ name: 'upload-1', bytes: 5 }]);
          return { files: 1, bytes: 5 };
        },
      },
    ];
    const gc = gcOf(registry, { knex: database.knex, staleFiles });
    const { settle } = await gc.audit.intend([stray, stray]);
    await settle(['done', 'kept']);
    const { runId } = await gc.runOnce();
    const rows = await database.knex('gc_deletion').whereNot({ kind: 'blob_content' }).orderBy('id');
    expect(rows.filter(({ kind }) => kind === 'file')).toMatchObject([
      { run_id: null, reference: 'copy', digest: null, size: '7', reason: 'stray', state: 'done' },
      { run_id: null, state: 'kept' },
      { run_id: runId, reference: 'upload-1', size: '5', reason: 'stale: uploads', state: 'done' },
    ]);
  });

  test('says of what a dead process intended that nobody knows, and leaves what may be being made', async () => {
    const registry = registryWithOldTags(1);
    const gc = collectorOf(registry);
    registry.before.expire = () => {
      throw new Error('killed');
    };
    await gc.runOnce();
    await gc.audit.intend([stray]);
    delete registry.before.expire;
    await gc.runOnce();
    const states = async () => {
      const rows = await database.knex('gc_deletion').whereIn('kind', ['tag', 'file']).orderBy('id');
      return rows.map(({ kind, state }) => `${kind} ${state}`);
    };
    expect(await states()).toEqual(['tag unknown', 'file intended', 'tag done']);
    registry.clock.advance({ ms: 120_001 });
    await gc.runOnce();
    expect(await states()).toEqual(['tag unknown', 'file unknown', 'tag done']);
  });

  test('is pruned in batches, runs last, and never the run in flight', async () => {
    const registry = registryWithOldTags(3);
    const gc = collectorOf(registry);
    await gc.runOnce();
    const recorded = (await database.knex('gc_deletion')).length;
    const before = registry.clock.now() + 1;
    registry.clock.advance({ days: 1 });
    await gc.runOnce();
    const pruned: number[] = [];
    for (let last = 2; last === 2; pruned.push(last)) last = await gc.prune(before, 2);
    expect(pruned.reduce((sum, each) => sum + each, 0)).toBe(recorded + 1);
    expect(await database.knex('gc_deletion')).toEqual([]);
    expect(await database.knex('gc_run')).toHaveLength(1);
    await database.knex('gc_run').update({ state: 'running' });
    expect(await gc.prune(registry.clock.now() + 1, 100)).toBe(0);
  });
});

describe('a run that is left out', () => {
  test('deletes nothing, says why, is on record, and is followed by one that is not; a dry run goes on', async () => {
    const registry = registryWithOldTags(1);
    const reasons = ['clock_jumped' as const];
    const gc = gcOf(registry, { knex: database.knex, reasonToSkip: () => reasons.shift() });
    const finished: unknown[] = [];
    gc.events.on('finished', ({ outcome }) => finished.push(outcome));
    expect(await gc.runOnce({ dryRun: true })).toMatchObject({ outcome: 'done', expiredTotal: 1 });
    expect(await gc.runOnce()).toMatchObject({ outcome: 'skipped', skipped: 'clock_jumped', steps: [] });
    expect(registry.removals).toEqual([]);
    expect(await gc.runOnce()).toMatchObject({ outcome: 'done', expiredTotal: 1 });
    const runs = await database.knex('gc_run').orderBy('token');
    expect(runs).toMatchObject([{ state: 'skipped', report: { skipped: 'clock_jumped' } }, { state: 'done' }]);
    expect(finished).toEqual(['done', 'skipped', 'done']);
  });
});

describe('one collector per cluster (G6)', () => {
  test('of several that begin at once one runs, the others answer GC_RUNNING, and nothing goes twice', async () => {
    const registry = registryWithOldTags(250);
    const { reached, release } = holdAt(registry, 'expire');
    const begun = [1, 2, 3, 4].map(() => collectorOf(registry).runOnce());
    const runs = Promise.allSettled(begun);
    await reached;
    await expect(collectorOf(registry).runOnce()).rejects.toMatchObject({ code: 'GC_RUNNING' });
    // Not before the others have ended: one that is slow to begin would find the lease free, and rightly run.
    await threeEnded(begun);
    release();
    const outcomes = await runs;
    const done = outcomes.filter(({ status }) => status === 'fulfilled');
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.code] : []));
    expect(done).toHaveLength(1);
    expect(refused).toEqual(['GC_RUNNING', 'GC_RUNNING', 'GC_RUNNING']);
    expect(new Set(registry.removals).size).toBe(registry.removals.length);
    expect(await database.knex('gc_run')).toHaveLength(1);
    const audited = await database.knex('gc_deletion').where({ kind: 'tag', state: 'done' });
    expect(audited).toHaveLength(250);
  });

  test('a run that makes no progress for two minutes is taken over, and deletes nothing when it wakes up', async () => {
    const registry = registryWithOldTags(250);
    const { reached, release } = holdAt(registry, 'expire');
    const sleeper = collectorOf(registry).runOnce();
    await reached;
    registry.clock.advance({ ms: 120_000 });
    await expect(collectorOf(registry).runOnce()).rejects.toMatchObject({ code: 'GC_RUNNING' });
    registry.clock.advance({ ms: 1 });
    const successor = await collectorOf(registry).runOnce();
    expect(successor).toMatchObject({ outcome: 'done', expiredTotal: 250 });
    const removed = registry.removals.length;
    release();
    const report = await sleeper;
    expect(report).toMatchObject({ outcome: 'failed', expiredTotal: 0 });
    expect(report.steps).toHaveLength(1);
    expect(report.steps[0]).toMatchObject({ error: 'GC_LEASE_LOST' });
    expect(registry.removals).toHaveLength(removed);
    const runs = await database.knex('gc_run').orderBy('started_at');
    expect(runs.map(({ state }) => state)).toEqual(['abandoned', 'done']);
  });

  test('a run that falls asleep right before a deletion does not make it', async () => {
    const registry = registryWithOldTags(1);
    const { reached, release } = holdAt(registry, 'inspect');
    const sleeper = collectorOf(registry).runOnce();
    await reached;
    registry.clock.advance({ ms: 120_001 });
    // The successor leaves the content alone, so that only the lease keeps the sleeper from it.
    const successor = await gcOf(registry, { knex: database.knex, sweep: undefined, disposal: undefined }).runOnce();
    release();
    const report = await sleeper;
    expect(report.steps[1]).toMatchObject({ name: 'plan_sweep', error: 'GC_LEASE_LOST' });
    expect(registry.content.size).toBe(3);
    const swept = await database.knex('gc_deletion').whereNot({ kind: 'tag' });
    expect(swept).toEqual([]);
    expect(successor.outcome).toBe('done');
  });

  test('a run that makes progress keeps its lease however long it takes', async () => {
    const registry = registryWithOldTags(1200);
    registry.before.expire = () => registry.clock.advance({ seconds: 100 });
    const report = await collectorOf(registry).runOnce();
    expect(report).toMatchObject({ outcome: 'done', expiredTotal: 1200 });
  });

  test('the database refuses a second run in flight, whatever the processes believe', async () => {
    const row = { holder: 'x', state: 'running', started_at: new Date(), heartbeat_at: new Date() };
    await database.knex('gc_run').insert({ ...row, run_id: '00000000-0000-4000-8000-000000000001' });
    await expect(
      database.knex('gc_run').insert({ ...row, run_id: '00000000-0000-4000-8000-000000000002' }),
    ).rejects.toMatchObject({ code: '23505' });
  });
});

describe('without the database', () => {
  test('a run does not begin', async () => {
    const registry = registryWithOldTags(1);
    const bare = await createTestDatabase();
    try {
      const gc = gcOf(registry, { knex: bare.knex });
      await expect(gc.runOnce()).rejects.toMatchObject({ code: 'GC_UNAVAILABLE', cause: { code: '42P01' } });
      expect(registry.removals).toEqual([]);
    } finally {
      await bare.drop();
    }
  });

  test('a run that cannot record its deletions makes none, and still reports', async () => {
    const registry = registryWithOldTags(1);
    registry.before.list = async () => {
      await database.knex.raw('ALTER TABLE gc_deletion RENAME TO gc_deletion_gone');
    };
    const report = await collectorOf(registry).runOnce();
    await database.knex.raw('ALTER TABLE gc_deletion_gone RENAME TO gc_deletion');
    expect(report).toMatchObject({ outcome: 'failed', expiredTotal: 0 });
    expect(registry.removals).toEqual([]);
  });
});

test('the migrations go both ways', async () => {
  const bare = await createTestDatabase();
  await bare.knex.migrate.latest(gcMigrations());
  await bare.knex('gc_deletion').select();
  await bare.knex.migrate.rollback(gcMigrations());
  expect(await bare.knex.schema.hasTable('gc_run')).toBe(false);
  await bare.drop();
});
