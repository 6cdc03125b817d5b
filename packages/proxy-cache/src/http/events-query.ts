import {
  BUCKETS,
  type BucketLength,
  PERIODS,
  type Period,
  type TimeWindow,
  windowUntil,
} from '../timeline/time-window.js';
import { ApiError, type FieldProblem } from './api-error.js';

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
const LONGEST_SHOWN = 32;

/**
 * Reads `period`, `by` and `next_page`. A token carries the whole question, and the time at which it was first asked, so
 * that the pages of one listing fit together.
 * @throws ApiError INVALID naming every field that is wrong, and what would be right
 */
export function parseEventsQuery(query: string, now: number): EventsQuery {
  const parameters = new URLSearchParams(query);
  const problems: FieldProblem[] = [];
  const period = oneOf(parameters, 'period', PERIODS, problems);
  const by = oneOf(parameters, 'by', BUCKETS, problems);
  const token = only(parameters, 'next_page', problems);
  const page = token === undefined ? undefined : parsePageToken(token);
  const continues =
    page !== undefined &&
    (period === undefined || page.period === period) &&
    (by === undefined || page.by === by) &&
    page.rest.from < page.rest.to &&
    page.rest.from >= page.whole.from;
  if (token !== undefined && !continues) {
    const message = 'must be the next_page of an answer to the same question; leave it out to begin anew';
    problems.push({ field: 'next_page', message });
  }
  if (problems.length > 0) throw new ApiError('INVALID', { problems });
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

function oneOf<Table extends object>(
  parameters: URLSearchParams,
  field: string,
  table: Table,
  problems: FieldProblem[],
): (keyof Table & string) | undefined {
  const given = only(parameters, field, problems);
  if (given === undefined || isKey(table, given)) return given;
  const names = Object.keys(table);
  const right = `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
  problems.push({ field, message: `must be ${right}, not ${JSON.stringify(given.slice(0, LONGEST_SHOWN))}` });
  return undefined;
}

/** The value of a parameter that may be given once. */
function only(parameters: URLSearchParams, field: string, problems: FieldProblem[]): string | undefined {
  const given = parameters.getAll(field);
  if (given.length > 1) problems.push({ field, message: 'must be given once' });
  return given.length === 1 ? given[0] : undefined;
}

function isKey<Table extends object>(table: Table, key: string): key is keyof Table & string {
  return Object.hasOwn(table, key);
}
