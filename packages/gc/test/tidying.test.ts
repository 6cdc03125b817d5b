import type { Reconciliation } from '@breakwater/registry-core';
import { movableClock } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import { FakeRegistry, repositoryNamed } from './fake-registry.js';
import { gcOf } from './test-gc.js';

// The steps about the store itself: files that nobody goes on with, and store and database brought together.

const FOUND = { finished: 1, strays: 2, braked: false, missing: 3, cleared: 4, dropped: 5 };

function reconciling(answer: () => Promise<typeof FOUND | undefined>) {
  const asked: boolean[] = [];
  const reconciliation: Reconciliation = {
    async reconcile(dryRun, onBatch) {
      asked.push(dryRun);
      await onBatch();
      return answer();
    },
  };
  return { asked, reconciliation };
}

test('reconciliation is the last step, timed and counted, in the dry run as in the run', async () => {
  const registry = new FakeRegistry(movableClock());
  const { asked, reconciliation } = reconciling(async () => {
    registry.clock.advance({ ms: 7 });
    return FOUND;
  });
  const gc = gcOf(registry, { reconciliation });
  for (const dryRun of [true, false]) {
    const report = await gc.runOnce({ dryRun });
    expect(report).toMatchObject({ outcome: 'done' });
    expect(report.steps.at(-1)).toEqual({ name: 'reconcile', ms: 7, due: true, ...FOUND });
  }
  expect(asked).toEqual([true, false]);
});

test('what is not due is no failure; what fails fails the run and no other step', async () => {
  const registry = new FakeRegistry(movableClock());
  const notDue = await gcOf(
    registry,
    reconciling(async () => undefined),
  ).runOnce();
  expect(notDue.outcome).toBe('done');
  expect(notDue.steps.at(-1)).toMatchObject({ name: 'reconcile', due: false, strays: 0 });

  const broken = reconciling(() => Promise.reject(Object.assign(new Error('no disk'), { code: 'UNAVAILABLE' })));
  const failed = await gcOf(registry, broken).runOnce();
  expect(failed.outcome).toBe('failed');
  expect(failed.steps.filter(({ error }) => error !== undefined)).toEqual([
    expect.objectContaining({ name: 'reconcile', error: 'UNAVAILABLE' }),
  ]);
});

test('a run that is stopped ends the reconciliation at its next batch', async () => {
  const registry = new FakeRegistry(movableClock());
  let batches = 0;
  const gc = gcOf(registry, {
    reconciliation: {
      async reconcile(_, onBatch) {
        void gc.stop();
        await onBatch();
        batches += 1;
        return FOUND;
      },
    },
  });
  expect(await gc.runOnce()).toMatchObject({ outcome: 'stopped' });
  expect(batches).toBe(0);
});

test('a run of one organization is not about the store, and a host without these ports has no such steps', async () => {
  const registry = new FakeRegistry(movableClock());
  const { asked, reconciliation } = reconciling(async () => FOUND);
  const drops: boolean[] = [];
  const staleFiles = [
    {
      name: 'uploads',
      async drop(_: number, dryRun: boolean) {
        drops.push(dryRun);
        return { files: 1, bytes: 10 };
      },
    },
  ];
  const { organization } = repositoryNamed('app');
  await gcOf(registry, { reconciliation, staleFiles }).runOnce({ organization });
  expect([asked, drops]).toEqual([[], []]);

  const whole = await gcOf(registry, { staleFiles }).runOnce();
  expect(whole.steps.at(-1)).toMatchObject({ name: 'drop_stale_files', sorts: { uploads: { files: 1, bytes: 10 } } });
  const names = (await gcOf(registry).runOnce()).steps.map(({ name }) => name);
  expect(names).not.toContain('drop_stale_files');
  expect(names).not.toContain('reconcile');
});
