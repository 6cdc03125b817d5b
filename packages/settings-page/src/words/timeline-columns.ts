import type { Counts, EventKind, Events } from '../api/shapes.js';

/** One column of the chart: a stretch of the timeline, also one in which nothing happened. */
export interface TimelineColumn {
  /** Begin, milliseconds since the epoch. */
  readonly start: number;
  readonly counts: Counts;
}

const LENGTH_MS = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;
/** More columns than this cannot be told apart on a narrow screen. */
const MOST_COLUMNS = 60;

/** What a column of a period stands for. */
export function columnUnit({ period }: Pick<Events, 'period'>): 'hour' | 'day' {
  return period === '30d' ? 'day' : 'hour';
}

/**
 * The columns from the begin to the end of the period: the days of the reader's calendar for a month, else stretches of
 * hours, put together where there are too many to be seen. Pure.
 *
 * @param timeZone whose days; default the reader's own
 */
export function timelineColumns(events: Events, timeZone?: string): readonly TimelineColumn[] {
  const starts = columnUnit(events) === 'day' ? startsOfDays(events, timeZone) : startsOfStretches(events);
  const columns = starts.map((start) => ({ start, counts: {} as Counts }));
  for (const { start, counts } of events.buckets) {
    const at = Date.parse(start);
    const column = columns.findLast((each) => each.start <= at);
    if (column !== undefined) column.counts = addCounts(column.counts, counts);
  }
  return columns;
}

function startsOfStretches({ from, to, by }: Events): readonly number[] {
  const begin = Date.parse(from);
  const span = Date.parse(to) - begin;
  const each = LENGTH_MS[by];
  const width = each * Math.max(1, Math.ceil(span / each / MOST_COLUMNS));
  return Array.from({ length: Math.max(1, Math.ceil(span / width)) }, (_, index) => begin + index * width);
}

/** Where another date begins, bucket by bucket: days of the calendar are not all of the same length. */
function startsOfDays({ from, to, by }: Events, timeZone: string | undefined): readonly number[] {
  const format = new Intl.DateTimeFormat('en-CA', {
    ...(timeZone === undefined ? {} : { timeZone }),
    dateStyle: 'short',
  });
  const starts: number[] = [];
  let date = '';
  for (let at = Date.parse(from); at < Date.parse(to); at += LENGTH_MS[by]) {
    const its = format.format(at);
    if (its !== date) starts.push(at);
    date = its;
  }
  return starts;
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
