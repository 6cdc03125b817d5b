import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { gridLines } from './grid-lines.js';

test.each([
  [0, [0, 1]],
  [1, [0, 1]],
  [4, [0, 1, 2, 3, 4]],
  [34, [0, 10, 20, 30, 40]],
  [810, [0, 500, 1_000]],
])('up to %i: %j', (highest, lines) => {
  expect(gridLines(highest)).toEqual(lines);
});

test('whatever there is to be shown fits, with few lines', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1_000_000_000 }), (highest) => {
      const lines = gridLines(highest);
      expect(lines.length).toBeLessThanOrEqual(5);
      expect(lines[0]).toBe(0);
      expect(lines.at(-1)).toBeGreaterThanOrEqual(highest);
    }),
  );
});
