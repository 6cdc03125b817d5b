import { expect, test } from '@jest/globals';
import { warmWords } from './warm-words.js';

const references = [1, 2, 3].map((n) => ({
  reference: `a:${n}`,
  state: 'done' as const,
  fetched_bytes: 0,
  failure: null,
}));

test.each([
  [false, { waiting: 1, fetching: 1, done: 1, failed: 0 }, 'Fetching images: 1 of 3 done'],
  [false, { waiting: 0, fetching: 1, done: 1, failed: 1 }, 'Fetching images: 1 of 3 done, 1 failed'],
  [true, { waiting: 0, fetching: 0, done: 3, failed: 0 }, '3 images of 3 fetched'],
  [true, { waiting: 0, fetching: 0, done: 1, failed: 2 }, '1 image of 3 fetched, 2 failed'],
])('finished: %j, %j', (finished, counts, words) => {
  expect(warmWords({ finished, counts, references })).toBe(words);
});
