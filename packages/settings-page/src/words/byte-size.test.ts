import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MOST_PREFETCH_BYTES, MOST_QUOTA_BYTES, parseSize, sizeFrom, sizeWords } from './byte-size.js';

test('whatever is stored is shown exactly, and saved as it was', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (bytes) => {
      expect(parseSize(sizeFrom(bytes), MOST_QUOTA_BYTES)).toEqual({ bytes });
    }),
  );
  expect(sizeFrom(2 ** 41)).toEqual({ amount: '2', unit: 'TiB' });
  expect(sizeFrom(10 * 2 ** 30)).toEqual({ amount: '10', unit: 'GiB' });
});

test.each(['', '0', '-1', '1.5', '1025', '99999999999999'])('%j GiB is refused', (amount) => {
  expect(parseSize({ amount, unit: 'GiB' }, MOST_PREFETCH_BYTES)).toEqual({
    problem: 'must be a whole number of GiB from 1 to 1,024',
  });
});

test.each([
  [0, '0 bytes'],
  [1, '1 byte'],
  [1_023, '1,023 bytes'],
  [1_536, '1.5 KiB'],
  [54_525_952, '52 MiB'],
  [1_363_148_800, '1.27 GiB'],
])('%i bytes are %s', (bytes, words) => {
  expect(sizeWords(bytes)).toBe(words);
});
