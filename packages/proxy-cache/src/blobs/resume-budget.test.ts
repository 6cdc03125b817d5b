import { expect, test } from '@jest/globals';
import { ResumeBudget } from './resume-budget.js';

const MIB = 1024 * 1024;

test('two more attempts where nothing comes, later each time', () => {
  const budget = new ResumeBudget(() => 1);
  expect([budget.next(0), budget.next(0), budget.next(0)]).toEqual([200, 400, undefined]);
});

test('a transfer that gets on is resumed again and again', () => {
  const budget = new ResumeBudget(() => 1);
  for (let mib = 1; mib < 1_000; mib += 1) expect(budget.next(mib * MIB)).toBe(200);
});

test('less than 1 MiB in all attempts together is no progress', () => {
  const budget = new ResumeBudget(() => 0);
  expect([budget.next(400_000), budget.next(800_000), budget.next(MIB - 1)]).toEqual([0, 0, undefined]);
});
