import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { durationWords, LONGEST_S, parsePeriod, periodFrom, UNITS } from './duration.js';

describe('a period as number and unit', () => {
  test.each([
    [0, '0', 'days'],
    [86_400, '1', 'days'],
    [259_200, '3', 'days'],
    [90_000, '25', 'hours'],
    [5_400, '90', 'minutes'],
    [76_399, '76399', 'seconds'],
  ])('%i s is shown as %s %s', (seconds, amount, unit) => {
    expect(periodFrom(seconds)).toEqual({ amount, unit });
  });

  test('whatever is stored is shown exactly, and saved as it was', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: LONGEST_S }), (seconds) => {
        expect(parsePeriod(periodFrom(seconds))).toEqual({ seconds });
      }),
    );
  });

  test.each(['', ' ', '1.5', '-1', '1e3', '٣', 'three', '9'.repeat(13)])('%j is none', (amount) => {
    for (const unit of UNITS) {
      expect(parsePeriod({ amount, unit })).toEqual({ problem: expect.stringContaining(`whole number of ${unit}`) });
    }
  });

  test('ten years are the most', () => {
    expect(parsePeriod({ amount: '3650', unit: 'days' })).toEqual({ seconds: LONGEST_S });
    expect(parsePeriod({ amount: '3651', unit: 'days' })).toEqual({
      problem: 'must be a whole number of days from 0 to 3,650',
    });
  });
});

test.each([
  [-5, '0 seconds'],
  [0, '0 seconds'],
  [1, '1 second'],
  [61, '1 minute 1 second'],
  [599, '9 minutes 59 seconds'],
  [601, '10 minutes'],
  [3_600, '1 hour'],
  [86_399, '23 hours 59 minutes'],
  [255_600, '2 days 23 hours'],
  [259_199.9, '2 days 23 hours'],
])('%d seconds in words: %s', (seconds, words) => {
  expect(durationWords(seconds)).toBe(words);
});
