import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MAX_RETRY_AFTER_MS, parseRetryAfter } from './retry-after.js';

const NOW = Date.UTC(2024, 0, 1, 12, 0, 0);

test.each([
  ['0', 0],
  ['30', 30_000],
  [' 30 ', 30_000],
  ['999999999', MAX_RETRY_AFTER_MS],
  ['999999999999999', MAX_RETRY_AFTER_MS],
  ['Mon, 01 Jan 2024 12:00:10 GMT', 10_000],
  ['Mon, 01 Jan 2024 11:00:00 GMT', 0],
  ['Wed, 01 Jan 2025 12:00:00 GMT', MAX_RETRY_AFTER_MS],
  ['Mon, 99 Jan 2024 12:00:10 GMT', undefined],
  ['2024-01-01T12:00:10Z', undefined],
  ['Monday, 01-Jan-24 12:00:10 GMT', undefined],
  ['-1', undefined],
  ['1.5', undefined],
  ['1e3', undefined],
  ['soon', undefined],
  ['30, 60', undefined],
  ['9'.repeat(400), undefined],
  ['', undefined],
  [undefined, undefined],
])('Retry-After: %j is %j', (header, expected) => {
  expect(parseRetryAfter(header, NOW)).toBe(expected);
});

test('whatever is sent, the wait is none, or 0 to 15 minutes', () => {
  const piece = fc.constantFrom(
    'Mon',
    ', ',
    '01',
    ' Jan ',
    '2024 ',
    '12:00:00',
    ' GMT',
    '9',
    '-',
    '.',
    'e',
    '0x1',
    '１',
  );
  const header = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
  );
  fc.assert(
    fc.property(header, fc.integer({ min: 0, max: 1e13 }), (sent, now) => {
      const wait = parseRetryAfter(sent, now);
      if (wait === undefined) return;
      expect(Number.isFinite(wait) && wait >= 0 && wait <= MAX_RETRY_AFTER_MS).toBe(true);
    }),
  );
});

test('seconds, and the time that is as many seconds from now, are the same wait', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e7 }), fc.integer({ min: 0, max: 4e9 }), (seconds, nowS) => {
      const now = nowS * 1000;
      const expected = Math.min(seconds * 1000, MAX_RETRY_AFTER_MS);
      expect(parseRetryAfter(String(seconds), now)).toBe(expected);
      expect(parseRetryAfter(new Date(now + seconds * 1000).toUTCString(), now)).toBe(expected);
    }),
  );
});
