import { MINUTE_MS, minuteOf } from './timeline-kinds.js';

const DAY_MS = 24 * 60 * MINUTE_MS;

/** The periods that the timeline is asked for, in milliseconds. The longest, begun with a whole day, is what is kept. */
export const PERIODS = { '24h': DAY_MS, '7d': 7 * DAY_MS, '30d': 30 * DAY_MS } as const;
/** The lengths of a bucket, in milliseconds. Buckets begin with the minute, hour or day of UTC. */
export const BUCKETS = { minute: MINUTE_MS, hour: 60 * MINUTE_MS, day: DAY_MS } as const;

/** How long the counts of a minute are kept, in milliseconds. */
export const KEPT_MS = 31 * DAY_MS;

export type Period = keyof typeof PERIODS;
export type BucketLength = keyof typeof BUCKETS;

/** A stretch of time, `from` to `to` in ms since the epoch, `to` not included. */
export interface TimeWindow {
  readonly from: number;
  readonly to: number;
}

/** The period that ends with the current minute, begun early enough for its first bucket to be a whole one. Pure. */
export function windowUntil(now: number, period: Period, by: BucketLength): TimeWindow {
  const length = BUCKETS[by];
  const from = Math.floor((now - PERIODS[period]) / length) * length;
  return { from, to: minuteOf(now) + MINUTE_MS };
}
