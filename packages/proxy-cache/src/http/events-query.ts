import { invalidRequest, readQuery } from '@breakwater/registry-http';
import { z } from 'zod';
import {
  BUCKETS,
  type BucketLength,
  PERIODS,
  type Period,
  type TimeWindow,
  windowUntil,
} from '../timeline/time-window.js';

/** Which part of the timeline is asked for. `whole` is the period; `rest` is what of it is left to show. */
export interface EventsQuery {
  readonly period: Period;
  readonly by: BucketLength;
  readonly whole: TimeWindow;
  readonly rest: TimeWindow;
}

const DEFAULT_PERIOD: Period = '24h';
/** A chart of some tens of columns. */
const DEFAULT_BY: Readonly<Record<Period, BucketLength>> = { '24h': 'hour', '7d': 'hour', '30d': 'day' };

const NO_PAGE = 'must be the next_page of an answer to the same question; leave it out to begin anew';

/** What may be asked of the timeline. */
export const eventsQuery = z.looseObject({
  period: z.enum(keysOf(PERIODS)).optional().meta({ description: 'how far back; default 24h' }),
  by: z.enum(keysOf(BUCKETS)).optional().meta({ description: 'length of a bucket; default hour, for 30d day' }),
  next_page: z
    .string()
    .refine((token) => parsePageToken(token) !== undefined, NO_PAGE)
    .optional()
    .meta({ description: 'the next_page of the page before' }),
});

/**
 * Reads `period`, `by` and `next_page`. A token carries the whole question, and the time at which it was first asked, so
 * that the pages of one listing fit together.
 * @throws ApiError INVALID naming every field that is wrong, and what would be right
 */
export function parseEventsQuery(query: URLSearchParams, now: number): EventsQuery {
  const { period, by, next_page: token } = readQuery(eventsQuery, query);
  const page = token === undefined ? undefined : parsePageToken(token);
  const continues =
    page !== undefined &&
    (period === undefined || page.period === period) &&
    (by === undefined || page.by === by) &&
    page.rest.from < page.rest.to &&
    page.rest.from >= page.whole.from;
  if (token !== undefined && !continues) {
    throw invalidRequest([{ field: 'next_page', message: NO_PAGE }]);
  }
  return page ?? firstPage(period ?? DEFAULT_PERIOD, by, now);
}

/** The token for the page that begins with a bucket. */
export function nextPageToken({ period, by, whole }: EventsQuery, from: number): string {
  return Buffer.from(`${period} ${by} ${whole.to} ${from}`).toString('base64url');
}

function firstPage(period: Period, by: BucketLength = DEFAULT_BY[period], now: number): EventsQuery {
  const whole = windowUntil(now, period, by);
  return { period, by, whole, rest: whole };
}

function parsePageToken(token: string): EventsQuery | undefined {
  const text = token.length > 128 ? '' : Buffer.from(token, 'base64url').toString('latin1');
  const [, period = '', by = '', to = '', from = ''] = /^(\S+) (\S+) ([0-9]{1,14}) ([0-9]{1,14})$/.exec(text) ?? [];
  if (!isKey(PERIODS, period) || !isKey(BUCKETS, by)) return undefined;
  // The last millisecond of the window is in the minute in which it was first asked for.
  const whole = windowUntil(Number(to) - 1, period, by);
  return { period, by, whole, rest: { from: Number(from), to: whole.to } };
}

function keysOf<Table extends object>(table: Table): (keyof Table & string)[] {
  return Object.keys(table) as (keyof Table & string)[];
}

function isKey<Table extends object>(table: Table, key: string): key is keyof Table & string {
  return Object.hasOwn(table, key);
}
