import { expect, test } from '@jest/globals';
import { editDistance } from './edit-distance.js';

test.each([
  ['', '', 0],
  ['', 'abc', 3],
  ['kitten', 'sitting', 3],
  ['stalenes', 'staleness', 1],
  ['ab', 'ba', 2],
])('from %j to %j it takes %i', (from, to, edits) => {
  expect(editDistance(from, to)).toBe(edits);
  expect(editDistance(to, from)).toBe(edits);
});
