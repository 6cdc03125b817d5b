import type { ApiError } from '@breakwater/registry-http';
import { expect, test } from '@jest/globals';
import { nextPageToken, parseEventsQuery } from './events-query.js';

const NOW = Date.UTC(2024, 1, 29, 13, 7, 31);
const iso = (ms: number) => new Date(ms).toISOString();

test.each([
  ['', '24h', 'hour', '2024-02-28T13:00:00.000Z'],
  ['period=7d', '7d', 'hour', '2024-02-22T13:00:00.000Z'],
  ['period=30d', '30d', 'day', '2024-01-30T00:00:00.000Z'],
  ['period=30d&by=minute', '30d', 'minute', '2024-01-30T13:07:00.000Z'],
  ['by=day', '24h', 'day', '2024-02-28T00:00:00.000Z'],
  ['unknown=1', '24h', 'hour', '2024-02-28T13:00:00.000Z'],
])('%p is %s by %s from %s', (text, period, by, from) => {
  const query = parseEventsQuery(new URLSearchParams(text), NOW);
  expect(query).toMatchObject({ period, by });
  expect(iso(query.whole.from)).toBe(from);
  expect(iso(query.whole.to)).toBe('2024-02-29T13:08:00.000Z');
  expect(query.rest).toEqual(query.whole);
});

test.each([
  ['period=1y', [{ field: 'period', message: 'must be 24h, 7d or 30d, not "1y"' }]],
  ['by=second', [{ field: 'by', message: 'must be minute, hour or day, not "second"' }]],
  ['by=', [{ field: 'by', message: 'must be minute, hour or day, not ""' }]],
  ['by=constructor', [{ field: 'by', message: 'must be minute, hour or day, not "constructor"' }]],
  ['by=hour&by=day', [{ field: 'by', message: 'must be given once' }]],
  [
    'period=1&by=2',
    [
      { field: 'period', message: 'must be 24h, 7d or 30d, not "1"' },
      { field: 'by', message: 'must be minute, hour or day, not "2"' },
    ],
  ],
])('%p is refused', (text, problems) => {
  expect(refusal(text)?.problems).toEqual(problems);
});

test('a token goes on with the same window, however late', () => {
  const first = parseEventsQuery(new URLSearchParams('period=7d&by=minute'), NOW);
  const from = first.whole.from + 60_000;
  const token = nextPageToken(first, from);
  const later = NOW + 3_600_000;
  for (const text of [`next_page=${token}`, `period=7d&by=minute&next_page=${token}`]) {
    expect(parseEventsQuery(new URLSearchParams(text), later)).toEqual({
      ...first,
      rest: { from, to: first.whole.to },
    });
  }
});

test.each([
  ['of another question', (token: string) => `period=24h&next_page=${token}`],
  ['of another length', (token: string) => `by=hour&next_page=${token}`],
  ['cut', (token: string) => `next_page=${token.slice(0, 8)}`],
  ['empty', () => 'next_page='],
  ['of anything', () => 'next_page=hello'],
  ['before its window', () => `next_page=${Buffer.from(`24h minute ${NOW} 0`).toString('base64url')}`],
  ['after its window', () => `next_page=${Buffer.from(`24h minute ${NOW} ${NOW * 2}`).toString('base64url')}`],
])('a token %s is refused', (_what, query) => {
  const first = parseEventsQuery(new URLSearchParams('period=7d&by=minute'), NOW);
  expect(refusal(query(nextPageToken(first, NOW - 60_000)))?.problems).toEqual([
    {
      field: 'next_page',
      message: 'must be the next_page of an answer to the same question; leave it out to begin anew',
    },
  ]);
});

function refusal(text: string): ApiError | undefined {
  try {
    parseEventsQuery(new URLSearchParams(text), NOW);
    return undefined;
  } catch (error) {
    return error as ApiError;
  }
}
