import { stat } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { CallGate } from './call-gate.js';

const stalled = () => Object.assign(new Error('stalled'), { code: 'STALLED' });

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('so many calls run at a time, in the order in which they came', async () => {
  const gate = new CallGate(2, 5_000, stalled);
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const calls = [1, 2, 3, 4].map((number) =>
    gate.run(() => {
      begun.push(number);
      return new Promise<number>((resolve) => ends.push(() => resolve(number)));
    }),
  );
  expect(begun).toEqual([1, 2]);
  ends[1]?.();
  expect(await calls[1]).toBe(2);
  await settled();
  expect(begun).toEqual([1, 2, 3]);
  for (const at of [0, 2]) ends[at]?.();
  await Promise.all([calls[0], calls[2]]);
  await settled();
  ends[3]?.();
  expect(await Promise.all(calls)).toEqual([1, 2, 3, 4]);
});

test('a call that is not answered keeps its turn; one that waits in vain is never made', async () => {
  const gate = new CallGate(1, 30, stalled);
  let answer: (text: string) => void = () => undefined;
  const late: string[] = [];
  let made = 0;
  const first = gate.run(
    () => new Promise<string>((resolve) => (answer = resolve)),
    (text) => late.push(text),
  );
  const second = gate.run(async () => (made += 1));
  await expect(first).rejects.toMatchObject({ code: 'STALLED' });
  await expect(second).rejects.toMatchObject({ code: 'STALLED' });
  await expect(gate.run(async () => (made += 1))).rejects.toMatchObject({ code: 'STALLED' });
  expect(made).toBe(0);
  answer('after all');
  await settled();
  expect(late).toEqual(['after all']);
  await gate.run(async () => (made += 1));
  expect(made).toBe(1);
});

test('what a call fails with is what its caller meets', async () => {
  const gate = new CallGate(1, 5_000, stalled);
  await expect(gate.run(() => Promise.reject(new Error('EIO')))).rejects.toThrow('EIO');
  expect(await gate.run(async () => 1)).toBe(1);
});

test('who waits behind a disk that is slow, and answers, is not given up', async () => {
  const gate = new CallGate(1, 200, stalled);
  const calls = Array.from({ length: 12 }, (_, number) =>
    gate.run(() => new Promise<number>((resolve) => setTimeout(() => resolve(number), 40))),
  );
  expect(await Promise.all(calls)).toEqual(calls.map((_, number) => number));
});

test('F140: a call that has ended while the process was busy is not given up', async () => {
  const gate = new CallGate(1, 30, stalled);
  const calls = [1, 2].map(() => gate.run(() => stat('.')));
  // Longer than a call may take, without a look at what has ended.
  for (const until = performance.now() + 100; performance.now() < until; );
  await expect(Promise.all(calls)).resolves.toHaveLength(2);
});
