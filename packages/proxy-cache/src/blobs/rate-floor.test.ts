import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RateFloor, slowestTransferMs } from './rate-floor.js';

const KIB = 1024;

test('P2: 1 KiB/s over a minute of waiting holds, one byte less does not', () => {
  const held = new RateFloor();
  expect([held.holds(59 * KIB, 59_000), held.holds(KIB, 1_000)]).toEqual([true, true]);
  const slow = new RateFloor();
  expect([slow.holds(59 * KIB, 59_000), slow.holds(KIB - 1, 1_000)]).toEqual([true, false]);
});

test('each minute counts by itself', () => {
  const rate = new RateFloor();
  expect(rate.holds(100 * KIB, 60_000)).toBe(true);
  expect(rate.holds(1, 60_000)).toBe(false);
});

test('whatever the chunks: never false before a minute of waiting, nor at twice the rate', () => {
  const chunks = fc.array(fc.record({ bytes: fc.nat(4 * KIB), waitedMs: fc.nat(2_000) }));
  fc.assert(
    fc.property(chunks, (all) => {
      const rate = new RateFloor();
      let waitedMs = 0;
      for (const chunk of all) {
        waitedMs += chunk.waitedMs;
        const holds = rate.holds(chunk.bytes, chunk.waitedMs);
        if (waitedMs < 60_000) expect(holds).toBe(true);
      }
      const fast = new RateFloor();
      for (const { waitedMs: ms } of all) expect(fast.holds((2 * KIB * ms) / 1000, ms)).toBe(true);
    }),
  );
});

test('the slowest transfer of a blob takes a second for each KiB', () => {
  expect(slowestTransferMs(10 * KIB * KIB)).toBe(10 * KIB * 1_000);
});
