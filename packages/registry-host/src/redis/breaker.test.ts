import { movableClock } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import { Breaker } from './breaker.js';

function start() {
  const clock = movableClock(0);
  return { clock, breaker: new Breaker({ clock, pauseMs: 5_000, connectedPauseMs: 1_000 }) };
}

test('a failure keeps everybody off for the pause, then one tries at a time', () => {
  const { clock, breaker } = start();
  expect([breaker.allows(), breaker.allows()]).toEqual([true, true]);
  expect(breaker.failed()).toBe(true);
  clock.advance({ ms: 4_999 });
  expect(breaker.allows()).toBe(false);
  clock.advance({ ms: 1 });
  expect([breaker.allows(), breaker.allows()]).toEqual([true, false]);
  expect(breaker.failed()).toBe(false);
  clock.advance({ ms: 4_999 });
  expect(breaker.allows()).toBe(false);
  clock.advance({ ms: 1 });
  expect(breaker.allows()).toBe(true);
  expect(breaker.worked()).toBe(true);
  expect([breaker.allows(), breaker.allows()]).toEqual([true, true]);
  expect(breaker.worked()).toBe(false);
});

test('one that tries and never comes back is not the last one', () => {
  const { clock, breaker } = start();
  breaker.failed();
  clock.advance({ seconds: 5 });
  expect(breaker.allows()).toBe(true);
  clock.advance({ seconds: 5 });
  expect(breaker.allows()).toBe(true);
});

test('a new connection shortens the pause, and is no success: one that comes and fails costs one try a second', () => {
  const { clock, breaker } = start();
  let tries = 0;
  breaker.failed();
  for (let ms = 0; ms < 10_000; ms += 10) {
    breaker.connected();
    if (breaker.allows()) {
      tries += 1;
      breaker.failed();
    }
    clock.advance({ ms: 10 });
  }
  expect(tries).toBe(9);
  breaker.worked();
  breaker.connected();
  expect(breaker.allows()).toBe(true);
});
