import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { backOffMs, MAX_ATTEMPTS, MAX_BACK_OFF_MS } from './back-off.js';

test('P5 at first: full jitter up to 200 ms doubled, at most 5 s', () => {
  expect([1, 2, 3, 4, 5, 6].map((attempts) => backOffMs(attempts, 1))).toEqual([400, 800, 1_600, 3_200, 5_000, 5_000]);
  expect([1, 6].map((attempts) => backOffMs(attempts, 0))).toEqual([0, 0]);
});

test('later ones are doubled up to five minutes, a fifth to either side', () => {
  expect([7, 8, 12, 13, 30].map((attempts) => backOffMs(attempts, 0.5))).toEqual([
    10_000, 20_000, 300_000, 300_000, 300_000,
  ]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: MAX_ATTEMPTS }), fc.double({ min: 0, max: 1, noNaN: true }), (n, random) => {
      const ms = backOffMs(n, random);
      expect(ms).toBeGreaterThanOrEqual(0);
      expect(ms).toBeLessThanOrEqual(MAX_BACK_OFF_MS * 1.2);
    }),
  );
});
