import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { Deadline } from './deadline.js';

const never = () => new AbortController().signal;
const ended = async ({ signal }: Deadline) => {
  for (const end = performance.now() + 10_000; !signal.aborted && performance.now() < end; ) await sleep(5);
  return signal.aborted;
};

test('it is after its time, and with the one above it', async () => {
  expect(await ended(new Deadline(never(), 1))).toBe(true);
  const above = new AbortController();
  const below = new Deadline(above.signal, 600_000);
  above.abort();
  expect(below.signal.aborted).toBe(true);
  expect(new Deadline(above.signal, 600_000).signal.aborted).toBe(true);
});

test('it can be put off, not be brought forward, and not by more than a timer can', async () => {
  const deadline = new Deadline(never(), 50);
  deadline.allow(2 ** 40);
  deadline.allow(1);
  await sleep(150);
  expect(deadline.signal.aborted).toBe(false);
  deadline.clear();
});

test('one that is cancelled stays so', async () => {
  const deadline = new Deadline(never(), 1);
  deadline.cancel();
  deadline.allow(2);
  await sleep(50);
  expect(deadline.signal.aborted).toBe(false);
});
