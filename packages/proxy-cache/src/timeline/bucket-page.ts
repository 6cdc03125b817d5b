import type { TimelineClass, TimelineKind } from './timeline-kinds.js';

/** How often something happened, by kind and failure class. What did not happen is left out. */
export type Counts = Partial<Record<TimelineKind, Partial<Record<TimelineClass, number>>>>;

/** What is counted of one kind and class in one bucket. */
export interface BucketRow {
  /** Begin of the bucket, ms since the epoch. */
  readonly start: number;
  readonly kind: TimelineKind;
  readonly failureClass: TimelineClass;
  readonly count: number;
}

/** A stretch of the timeline. Buckets in which nothing happened are left out. */
export interface BucketPage {
  readonly buckets: readonly { readonly start: number; readonly counts: Counts }[];
  /** Begin of the bucket that the next page starts with; `undefined` when this is the last page. */
  readonly next: number | undefined;
}

/** Most buckets of one page, and the rows that are read for them: a bucket has a row for each kind and class. */
const MAX_BUCKETS = 1_000;
export const MAX_ROWS = 5_000;

/** Adds rows up by kind and class. */
export function countsOf(rows: readonly Omit<BucketRow, 'start'>[]): Counts {
  const counts: Counts = {};
  for (const { kind, failureClass, count } of rows) {
    const ofKind = counts[kind] ?? {};
    ofKind[failureClass] = (ofKind[failureClass] ?? 0) + count;
    counts[kind] = ofKind;
  }
  return counts;
}

/**
 * The page that rows in order of time make. When there are `maxRows` of them there may be more, so that the last bucket,
 * which may be a part, goes to the next page. Pure.
 */
export function pageOf(rows: readonly BucketRow[], maxRows = MAX_ROWS, maxBuckets = MAX_BUCKETS): BucketPage {
  const byStart = new Map<number, BucketRow[]>();
  for (const row of rows) {
    const bucket = byStart.get(row.start);
    if (bucket === undefined) byStart.set(row.start, [row]);
    else bucket.push(row);
  }
  const starts = [...byStart.keys()];
  const whole = rows.length < maxRows ? starts.length : starts.length - 1;
  const shown = starts.slice(0, Math.min(whole, maxBuckets));
  return {
    buckets: shown.map((start) => ({ start, counts: countsOf(byStart.get(start) ?? []) })),
    next: starts[shown.length],
  };
}
