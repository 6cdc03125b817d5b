import { expect, test } from '@jest/globals';
import type { Events } from '../api/shapes.js';
import { classesOf, timelineColumns, totalOf } from './timeline-columns.js';

const at = (hours: number) => new Date(Date.UTC(2024, 0, 1) + hours * 3_600_000).toISOString();

function events(part: Partial<Events>): Events {
  return { period: '24h', by: 'hour', from: at(0), to: at(24), buckets: [], ...part };
}

test('hours in which nothing happened are columns as well', () => {
  const columns = timelineColumns(events({ buckets: [{ start: at(5), counts: { shielded_pull: { dns: 2 } } }] }));
  expect(columns).toHaveLength(24);
  expect(columns.map(({ counts }) => totalOf(counts, 'shielded_pull')).indexOf(2)).toBe(5);
  expect(columns[0]?.counts).toEqual({});
});

test('the columns of a month are the days of the calendar of whoever reads it', () => {
  // 19:00 to 23:00 UTC on 9 March 2024, the evening before New York puts its clocks forward; and half an hour after midnight there.
  const evening = { start: '2024-03-09T23:00:00Z', counts: { shielded_pull: { dns: 1 } } };
  const night = { start: '2024-03-10T04:00:00Z', counts: { shielded_pull: { dns: 2 } } };
  const afterwards = { start: '2024-03-10T05:00:00Z', counts: { shielded_pull: { dns: 4 } } };
  const month = events({
    period: '30d',
    from: '2024-02-20T12:00:00Z',
    to: '2024-03-21T12:30:00Z',
    buckets: [evening, night, afterwards],
  });
  const days = (timeZone: string) =>
    timelineColumns(month, timeZone).flatMap(({ start, counts }) => {
      const date = new Intl.DateTimeFormat('en-CA', { timeZone, dateStyle: 'short' }).format(start);
      const saved = totalOf(counts, 'shielded_pull');
      return saved === 0 ? [] : [[date, saved]];
    });
  expect(days('UTC')).toEqual([
    ['2024-03-09', 1],
    ['2024-03-10', 6],
  ]);
  expect(days('America/New_York')).toEqual([
    ['2024-03-09', 3],
    ['2024-03-10', 4],
  ]);
  expect(days('Asia/Tokyo')).toEqual([['2024-03-10', 7]]);
  expect(timelineColumns(month, 'America/New_York')).toHaveLength(31);
});

test('a week by the hour is put together so that nothing is lost', () => {
  const buckets = Array.from({ length: 168 }, (_, hour) => ({
    start: at(hour),
    counts: { masked_error: { connect: 1, timeout: hour % 2 } },
  }));
  const columns = timelineColumns(events({ period: '7d', to: at(168), buckets }));
  expect(columns.length).toBeLessThanOrEqual(60);
  expect(columns.reduce((sum, { counts }) => sum + totalOf(counts, 'masked_error'), 0)).toBe(168 + 84);
  expect(classesOf(columns, 'masked_error')).toEqual(['connect', 'timeout']);
  expect(classesOf(columns, 'passed_error')).toEqual([]);
});
