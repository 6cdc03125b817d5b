import { expect, test } from '@jest/globals';
import { entityTag, parseIfMatch } from './if-match.js';

test.each([
  ['"7"', true],
  ['"6", "7"', true],
  ['"6","7" ', true],
  ['"6"', false],
  ['W/"7"', false],
  ['7', false],
  ['', false],
])('If-Match: %s', (header, isMeant) => {
  expect(parseIfMatch(header)?.(7)).toBe(isMeant);
});

test('no If-Match, or any version, is no condition', () => {
  expect(parseIfMatch(undefined)).toBeUndefined();
  expect(parseIfMatch('*')).toBeUndefined();
  expect(entityTag(7)).toBe('"7"');
});
