import { z } from 'zod';
import type { OrganizationStatus } from '../organization-status.js';
import { COUNTED_UP_TO } from '../postgres/cached-tag-summary.js';
import { MISSING_COUNTED_UP_TO } from '../postgres/missing-content-table.js';
import type { BucketPage, Counts } from '../timeline/bucket-page.js';
import { TIMELINE_KINDS, type TimelineKind } from '../timeline/timeline-kinds.js';
import { type EventsQuery, nextPageToken } from './events-query.js';

const time = z.iso.datetime().nullable();
const count = z.int().min(0);
const sums = { shielded_pulls: count, masked_errors: count, passed_errors: count };
const counts = z.partialRecord(z.enum(Object.values(TIMELINE_KINDS)), z.record(z.string(), count));

/** What `health` answers. */
export const statusSchema = z.strictObject({
  status: z.enum(['up', 'down', 'unknown']),
  at: z.iso.datetime().meta({ description: 'the time by the clock of the registry' }),
  upstream: z.string(),
  origin: z.string().nullable().meta({ description: 'name of the host that is dialled' }),
  known_down_since: time,
  failure_class: z.string().nullable(),
  upstream_status: z.int().nullable().meta({ description: 'HTTP status of the upstream, if it answered' }),
  next_check_at: time,
  retry_after_until: time,
  last_success_at: time,
  last_failure_at: time,
  last_failure_class: z.string().nullable().meta({ description: 'of the last failure, also once it is over' }),
  rate_limit: z.strictObject({
    limit: z.int().nullable(),
    remaining: z.int().nullable(),
    at: time,
    low: z.boolean().meta({ description: 'so little is left that nothing is asked which can wait' }),
  }),
  cached: z.strictObject({
    tags: count,
    lapsed: count,
    counted_up_to: count.meta({ description: 'where counting ends: so many means at least so many' }),
    oldest_confirmed_at: time,
  }),
  missing: z.strictObject({
    contents: count.meta({ description: 'blobs and manifests that cached images refer to and that are not stored' }),
    bytes: count,
    queued: count.meta({ description: 'are fetched in the background' }),
    too_large: count.meta({ description: 'are left to clients because of prefetch_max_bytes' }),
    given_up: count.meta({ description: 'were tried in vain too often' }),
    counted_up_to: count,
    oldest_noted_at: time,
  }),
  storage: z
    .strictObject({ status: z.enum(['ok', 'failing']), last_failure_at: time })
    .meta({ description: 'failing = what clients got could not be kept within the last minutes' }),
  quota: z.strictObject({
    status: z
      .enum(['none', 'ok', 'full'])
      .meta({ description: 'full = what is stored may not be taken, so that pulls are streamed through and not kept' }),
    limit_bytes: count.nullable(),
    used_bytes: count.nullable(),
    last_not_stored_at: time,
  }),
  hold: z
    .strictObject({ held: z.boolean(), reason: z.string().nullable(), since: time, until: time })
    .meta({ description: 'held = garbage collection takes nothing that came from the upstream' }),
  outage: z
    .strictObject(sums)
    .nullable()
    .meta({ description: 'what happened since known_down_since; null while the upstream is not known to be down' }),
  last_24h: z.strictObject({
    ...sums,
    counts,
    latest: z
      .partialRecord(z.enum(Object.values(TIMELINE_KINDS)), z.iso.datetime())
      .meta({ description: 'the minute in which each kind happened last' }),
  }),
});

/** What `events` answers. */
export const eventsSchema = z.strictObject({
  period: z.string(),
  by: z.string(),
  from: z.iso.datetime(),
  to: z.iso.datetime(),
  buckets: z.array(z.strictObject({ start: z.iso.datetime(), counts })),
  next_page: z.string().optional(),
});

/** The answer of `health`: names in snake case, times in ISO 8601, `null` for what is not known. */
export function statusJson(status: OrganizationStatus): Readonly<Record<string, unknown>> {
  const { settings, upstream, cached, missing, lastDay, latest, outage } = status;
  return {
    status: upstream.status,
    at: isoTime(status.at),
    upstream: settings.upstream,
    origin: upstream.originHost ?? null,
    known_down_since: isoTime(upstream.downSince),
    failure_class: upstream.failureClass ?? null,
    upstream_status: upstream.upstreamStatus ?? null,
    next_check_at: isoTime(upstream.nextCheckAt),
    retry_after_until: isoTime(upstream.retryAfterUntil),
    last_success_at: isoTime(upstream.lastSuccessAt),
    last_failure_at: isoTime(upstream.lastFailureAt),
    last_failure_class: upstream.lastFailureClass ?? null,
    rate_limit: {
      limit: upstream.rateLimit?.limit ?? null,
      remaining: upstream.rateLimit?.remaining ?? null,
      at: isoTime(upstream.rateLimit?.at),
      low: upstream.rateLimitLow,
    },
    cached: {
      tags: cached.tags,
      lapsed: cached.lapsed,
      counted_up_to: COUNTED_UP_TO,
      oldest_confirmed_at: isoTime(cached.oldestConfirmedAt),
    },
    missing: {
      contents: missing.contents,
      bytes: missing.bytes,
      queued: missing.queued,
      too_large: missing.tooLarge,
      given_up: missing.givenUp,
      counted_up_to: MISSING_COUNTED_UP_TO,
      oldest_noted_at: isoTime(missing.oldestNotedAt),
    },
    storage: { status: status.storage.status, last_failure_at: isoTime(status.storage.lastFailureAt) },
    quota: {
      status: status.quota.status,
      limit_bytes: status.quota.limitBytes ?? null,
      used_bytes: status.quota.usedBytes ?? null,
      last_not_stored_at: isoTime(status.quota.lastNotStoredAt),
    },
    hold: {
      held: status.hold !== undefined,
      reason: status.hold?.reason ?? null,
      since: isoTime(status.hold?.since),
      until: isoTime(status.hold?.until),
    },
    outage: outage === undefined ? null : sumsOf(outage),
    last_24h: {
      ...sumsOf(lastDay),
      counts: lastDay,
      latest: Object.fromEntries(Object.entries(latest).map(([kind, at]) => [kind, isoTime(at)])),
    },
  };
}

/** The answer of `events`. `next_page` is there when the listing goes on. */
export function eventsJson(query: EventsQuery, page: BucketPage): Readonly<Record<string, unknown>> {
  return {
    period: query.period,
    by: query.by,
    from: isoTime(query.whole.from),
    to: isoTime(query.whole.to),
    buckets: page.buckets.map(({ start, counts }) => ({ start: isoTime(start), counts })),
    ...(page.next === undefined ? {} : { next_page: nextPageToken(query, page.next) }),
  };
}

function sumsOf(counts: Counts): Readonly<Record<keyof typeof sums, number>> {
  return {
    shielded_pulls: total(counts, 'shielded_pull'),
    masked_errors: total(counts, 'masked_error'),
    passed_errors: total(counts, 'passed_error'),
  };
}

function total(counts: Counts, kind: TimelineKind): number {
  return Object.values(counts[kind] ?? {}).reduce((sum, count) => sum + count, 0);
}

function isoTime(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
