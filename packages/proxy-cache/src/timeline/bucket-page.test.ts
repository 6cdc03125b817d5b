import { expect, test } from '@jest/globals';
import { type BucketRow, countsOf, pageOf } from './bucket-page.js';

const row = (start: number, count = 1, kind: BucketRow['kind'] = 'shielded_pull'): BucketRow => ({
  start,
  kind,
  failureClass: 'connect',
  count,
});

test('rows add up by kind and class', () => {
  expect(countsOf([row(1, 2), row(2, 3), row(1, 1, 'masked_error')])).toEqual({
    shielded_pull: { connect: 5 },
    masked_error: { connect: 1 },
  });
});

test('a page with room for all of it is the last', () => {
  expect(pageOf([row(1), row(1, 2, 'masked_error'), row(2)], 4)).toEqual({
    buckets: [
      { start: 1, counts: { shielded_pull: { connect: 1 }, masked_error: { connect: 2 } } },
      { start: 2, counts: { shielded_pull: { connect: 1 } } },
    ],
    next: undefined,
  });
  expect(pageOf([])).toEqual({ buckets: [], next: undefined });
});

test('a bucket that may be cut off goes to the next page as a whole', () => {
  const page = pageOf([row(1), row(2), row(2, 1, 'masked_error')], 3);
  expect(page.buckets.map(({ start }) => start)).toEqual([1]);
  expect(page.next).toBe(2);
});

test('a page has a bounded number of buckets', () => {
  const page = pageOf([row(1), row(2), row(3)], 100, 2);
  expect(page.buckets.map(({ start }) => start)).toEqual([1, 2]);
  expect(page.next).toBe(3);
});
