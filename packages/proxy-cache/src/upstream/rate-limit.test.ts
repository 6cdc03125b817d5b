import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseRateLimit } from './rate-limit.js';

test.each([
  ['100;w=21600', '76;w=21600', { limit: 100, remaining: 76, windowS: 21_600 }],
  ['200', '0', { limit: 200, remaining: 0, windowS: 21_600 }],
  ['10;w=60', '3', { limit: 10, remaining: 3, windowS: 60 }],
  ['10;w=0', '3', { limit: 10, remaining: 3, windowS: 21_600 }],
  ['100;w=21600', undefined, undefined],
  [undefined, '76', undefined],
  ['many', '76', undefined],
  ['100', '-1', undefined],
])('%p and %p', (limit, remaining, expected) => {
  expect(parseRateLimit(limit, remaining)).toEqual(expected);
});

test('whatever an upstream sends is either numbers or nothing', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (limit, remaining) => {
      const read = parseRateLimit(limit, remaining);
      if (read !== undefined) for (const each of Object.values(read)) expect(Number.isSafeInteger(each)).toBe(true);
    }),
  );
});
