import { expect, test } from '@jest/globals';
import { ReadBuffers } from './read-buffers.js';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

test('S36: a thousand readers hold less than 100 MiB, five thousand less than 240', () => {
  const buffers = new ReadBuffers();
  let bytes = 0;
  const add = (count: number) => {
    for (let n = 0; n < count; n += 1) bytes += 2 * buffers.enter(GIB).take().byteLength;
  };
  add(1_000);
  expect(bytes).toBeLessThan(100 * MIB);
  add(4_000);
  expect(bytes).toBeLessThan(240 * MIB);
});

test('few readers have large buffers, and so have those who come after many have left', () => {
  const buffers = new ReadBuffers();
  const readers = Array.from({ length: 500 }, () => buffers.enter(GIB));
  expect(readers[0]?.take().byteLength).toBe(MIB);
  expect(readers.at(-1)?.take().byteLength).toBe(16 * 1024);
  for (const reader of readers) {
    reader.leave(false);
    reader.leave(false);
  }
  expect(buffers.enter(GIB).take().byteLength).toBe(MIB);
});

test('nobody gets more than they want', () => {
  const buffers = new ReadBuffers();
  expect([buffers.enter(10).take().byteLength, buffers.enter(0).take().byteLength]).toEqual([10, 1]);
});

test('a buffer that may still be looked into is never given to anybody else', () => {
  const buffers = new ReadBuffers();
  const gone = buffers.enter(GIB);
  const [held] = [gone.take(), gone.take()];
  gone.leave(false);
  const next = buffers.enter(GIB);
  const [first, second] = [next.take(), next.take()];
  expect([first === held, second === held, first === second]).toEqual([false, false, false]);
  next.leave(true);
  expect([first, second]).toContain(buffers.enter(GIB).take());
});
