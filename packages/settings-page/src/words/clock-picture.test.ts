import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { clockPicture } from './clock-picture.js';
import { LONGEST_S } from './duration.js';

const seconds = fc.integer({ min: 0, max: LONGEST_S });

test('the stretches cover the line in order, and every mark is on it', () => {
  fc.assert(
    fc.property(seconds, fc.option(seconds), seconds, (stalenessS, checkS, expirationS) => {
      const { stretches, marks } = clockPicture({ stalenessS, checkS, expirationS });
      expect(stretches[0]?.from).toBe(0);
      expect(stretches.at(-1)?.to).toBe(1);
      for (const [index, { from, to }] of stretches.entries()) {
        expect(to).toBeGreaterThan(from);
        if (index > 0) expect(from).toBe(stretches[index - 1]?.to);
      }
      for (const { at } of marks) {
        expect(at).toBeGreaterThanOrEqual(0);
        expect(at).toBeLessThan(1);
      }
    }),
  );
});

test('the states are those of the settings', () => {
  const states = (stalenessS: number, checkS: number | null) =>
    clockPicture({ stalenessS, checkS, expirationS: 60 }).stretches.map(({ state }) => state);
  expect(states(86_400, 3_600)).toEqual(['fresh', 'shielded', 'lapsed']);
  expect(states(86_400, null)).toEqual(['fresh', 'lapsed']);
  expect(states(86_400, 0)).toEqual(['shielded', 'lapsed']);
  expect(states(0, null)).toEqual(['lapsed']);
});

test('what is kept for ever has no mark for its end', () => {
  expect(clockPicture({ stalenessS: 1, checkS: null, expirationS: 0 })).toMatchObject({
    keptForEver: true,
    marks: [{ clock: 'check' }, { clock: 'staleness' }],
  });
});
