import { movableClock } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import { UpstreamError } from '../upstream/upstream-error.js';
import { RefusalBudget } from './refusal-budget.js';

const removed = () => new UpstreamError('removed', 'it is gone');

function start() {
  const clock = movableClock(0);
  return { clock, budget: new RefusalBudget(clock, { burst: 2, perSecond: 0.5 }) };
}

test('each refusal is charged once, to whoever it was asked for, and time pays it back', () => {
  const { clock, budget } = start();
  const first = removed();
  budget.charge('a', first);
  budget.charge('b', first);
  budget.charge('a', first);
  expect([budget.waitS('a'), budget.waitS('b')]).toEqual([0, 0]);
  budget.charge('a', new UpstreamError('denied', 'no'));
  expect([budget.waitS('a'), budget.waitS('b')]).toEqual([2, 0]);
  clock.advance({ ms: 1_999 });
  expect(budget.waitS('a')).toBe(1);
  clock.advance({ ms: 1 });
  expect(budget.waitS('a')).toBe(0);
  clock.advance({ days: 1 });
  for (let n = 0; n < 2; n += 1) budget.charge('a', removed());
  expect(budget.waitS('a')).toBe(2);
});

test('an outage is nobody’s fault', () => {
  const { budget } = start();
  for (let n = 0; n < 9; n += 1) budget.charge('a', new UpstreamError('connect', 'it is down'));
  expect(budget.waitS('a')).toBe(0);
});

test('without a limit nobody waits', () => {
  const budget = new RefusalBudget(movableClock(0), { burst: 0, perSecond: 5 });
  for (let n = 0; n < 9; n += 1) budget.charge('a', removed());
  expect(budget.waitS('a')).toBe(0);
});

test('a clock that goes back takes nothing away', () => {
  const { clock, budget } = start();
  budget.charge('a', removed());
  clock.advance({ seconds: -60 });
  expect(budget.waitS('a')).toBe(0);
});
