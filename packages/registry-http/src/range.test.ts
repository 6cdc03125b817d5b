import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseRange } from './range.js';

describe('ranges against ten bytes (F156)', () => {
  test.each([
    ['bytes=0-3', { start: 0, end: 4 }],
    ['bytes=0-', { start: 0, end: 10 }],
    ['bytes=9-', { start: 9, end: 10 }],
    ['bytes=2-2', { start: 2, end: 3 }],
    ['bytes=5-999', { start: 5, end: 10 }],
    ['bytes=-3', { start: 7, end: 10 }],
    ['bytes=-999', { start: 0, end: 10 }],
    ['BYTES=0-0', { start: 0, end: 1 }],
    [' bytes=0-0 ', { start: 0, end: 1 }],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=10-12', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=0-1,4-5', undefined],
    ['bytes=3-1', undefined],
    ['bytes=-', undefined],
    ['bytes=', undefined],
    ['bytes=a-b', undefined],
    ['bytes=1-2x', undefined],
    ['bytes=+1-2', undefined],
    ['items=0-1', undefined],
    ['bytes=99999999999999999999-', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%j', (header, expected) => {
    expect(parseRange(header, 10)).toEqual(expected);
  });

  test.each(['bytes=0-', 'bytes=0-0', 'bytes=-1'])('nothing of an empty blob can be had: %s', (header) => {
    expect(parseRange(header, 0)).toBe('unsatisfiable');
  });

  test('a range that is answered is never empty and never beyond the end', () => {
    const header = fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.tuple(fc.nat(200), fc.nat(200)).map(([first, last]) => `bytes=${first}-${last}`),
      fc.nat(200).map((last) => `bytes=-${last}`),
    );
    fc.assert(
      fc.property(header, fc.nat(100), (text, size) => {
        const range = parseRange(text, size);
        if (range === undefined || range === 'unsatisfiable') return;
        expect(range.start).toBeGreaterThanOrEqual(0);
        expect(range.start).toBeLessThan(range.end);
        expect(range.end).toBeLessThanOrEqual(size);
      }),
    );
  });
});
