import { silentLogger } from '@breakwater/registry-core';
import { expect, test } from '@jest/globals';
import type { Knex } from 'knex';
import { PostgresClock } from './postgres-clock.js';

const MINUTE = 60_000;

/** A database that says it is so late. */
function databaseAt(time: { ms: number }): Knex {
  return { raw: async () => ({ rows: [{ ms: String(time.ms) }] }) } as unknown as Knex;
}

test.each([
  ['ahead', 6 * MINUTE, 1],
  ['back', -6 * MINUTE, 1],
  ['a little', 4 * MINUTE, 0],
])('a sync that moves it %s is told when that is more than five minutes (P19)', async (_name, byMs, times) => {
  const time = { ms: 1_000_000_000 };
  const jumps: number[] = [];
  const clock = new PostgresClock(databaseAt(time), silentLogger, (ms) => jumps.push(ms));
  // However far the clock of the machine is from that of the database: the first sync is none.
  await clock.sync();
  time.ms += byMs;
  await clock.sync();
  await clock.sync();
  expect(jumps).toHaveLength(times);
  expect(clock.now()).toBeGreaterThanOrEqual(time.ms);
});
