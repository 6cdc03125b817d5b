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
