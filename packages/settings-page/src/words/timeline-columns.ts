import type { Counts, EventKind, Events } from '../api/shapes.js';

/** One column of the chart: a bucket of the timeline, with those in which nothing happened. */
export interface TimelineColumn {
  /** Begin, milliseconds since the epoch. */
  readonly start: number;
  readonly counts: Counts;
}

const LENGTH_MS = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;
/** More columns than this cannot be told apart on a narrow screen. */
const MOST_COLUMNS = 60;

/** The columns from the begin to the end of the period, put together where there are too many to be seen. Pure. */
export function timelineColumns({ from, to, by, buckets }: Events): readonly TimelineColumn[] {
  const begin = Date.parse(from);
  const span = Date.parse(to) - begin;
  const each = LENGTH_MS[by];
  const perColumn = Math.max(1, Math.ceil(span / each / MOST_COLUMNS));
  const width = each * perColumn;
  const columns = Array.from({ length: Math.max(1, Math.ceil(span / width)) }, (_, index) => ({
    start: begin + index * width,
    counts: {} as Counts,
  }));
  for (const { start, counts } of buckets) {
    const column = columns[Math.floor((Date.parse(start) - begin) / width)];
    if (column !== undefined) column.counts = addCounts(column.counts, counts);
  }
  return columns;
}

/** How often something of a kind happened, of whatever class. */
export function totalOf(counts: Counts, kind: EventKind): number {
  return Object.values(counts[kind] ?? {}).reduce((sum, count) => sum + count, 0);
}

/** The failure classes that occur, the most frequent first. */
export function classesOf(columns: readonly TimelineColumn[], kind: EventKind): readonly string[] {
  const all = columns.reduce<Counts>((sum, { counts }) => addCounts(sum, counts), {});
  return Object.entries(all[kind] ?? {})
    .sort(([one, most], [other, least]) => least - most || one.localeCompare(other))
    .map(([failureClass]) => failureClass);
}

function addCounts(one: Counts, other: Counts): Counts {
  const sum: Partial<Record<EventKind, Record<string, number>>> = {};
  for (const counts of [one, other]) {
    for (const [kind, ofKind] of Object.entries(counts) as [EventKind, Record<string, number>][]) {
      const known = sum[kind] ?? {};
      for (const [failureClass, count] of Object.entries(ofKind)) {
        known[failureClass] = (known[failureClass] ?? 0) + count;
      }
      sum[kind] = known;
    }
  }
  return sum;
}
