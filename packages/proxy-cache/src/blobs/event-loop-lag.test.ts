import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { EventLoopLag } from './event-loop-lag.js';

const lag = new EventLoopLag();
afterEach(() => lag.stop());

test('a loop that was held up shows it, and one that is not measured does not', async () => {
  expect(lag.recentMs()).toBe(0);
  lag.start();
  await sleep(100);
  const until = performance.now() + 700;
  while (performance.now() < until);
  await sleep(50);
  expect(lag.recentMs()).toBeGreaterThan(500);
  lag.stop();
  expect(lag.recentMs()).toBe(0);
});
