import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseContentRange } from './content-range.js';

const bytes = fc.integer({ min: 0, max: 1e14 });

test('a part of a whole, of known size or not', () => {
  fc.assert(
    fc.property(bytes, bytes, bytes, (start, more, after) => {
      const end = start + more;
      const size = end + 1 + after;
      expect(parseContentRange(`bytes ${start}-${end}/${size}`)).toEqual({ start, size });
      expect(parseContentRange(` Bytes ${start}-${end}/* `)).toEqual({ start, size: undefined });
      expect(parseContentRange(`bytes */${size}`)).toEqual({ start: undefined, size });
    }),
  );
});

test('what ends before it begins, or behind the whole, is no range', () => {
  fc.assert(
    fc.property(bytes, bytes, fc.integer({ min: 1, max: 1e6 }), (from, size, beyond) => {
      expect(parseContentRange(`bytes ${from + beyond}-${from}/*`)).toBeUndefined();
      expect(parseContentRange(`bytes 0-${size + beyond - 1}/${size}`)).toBeUndefined();
    }),
  );
});

test('whatever is sent, it is read or it is nothing', () => {
  const piece = fc.constantFrom(
    'bytes',
    'items',
    ' ',
    '-',
    '/',
    '*',
    '0',
    '9',
    '1e3',
    '0x10',
    '+1',
    '99999999999999999',
    '١',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece).map((pieces) => pieces.join('')),
      ),
      (header) => {
        const range = parseContentRange(header);
        if (range === undefined) return;
        for (const number of [range.start, range.size]) {
          if (number !== undefined) expect(Number.isSafeInteger(number) && number >= 0).toBe(true);
        }
        expect(header.trim()).toMatch(/^bytes ([0-9]+-[0-9]+|\*)\/([0-9]+|\*)$/i);
      },
    ),
  );
  expect(parseContentRange(undefined)).toBeUndefined();
});
