import type { Clock, FailureClass, ProxyCacheSettings } from '@breakwater/registry-core';
import type { QuotaGate } from './blobs/quota-gate.js';
import { type HealthRecord, isRateLimitLow } from './health/health-record.js';
import type { UpstreamHealth } from './health/upstream-health.js';
import type { RetentionHolds } from './ports.js';
import type { CachedTagSummaries, CachedTagSummary } from './postgres/cached-tag-summary.js';
import type { MissingContentTable, MissingSummary } from './postgres/missing-content-table.js';
import type { Counts } from './timeline/bucket-page.js';
import type { OutageTimeline } from './timeline/outage-timeline.js';
import type { TimelineKind } from './timeline/timeline-kinds.js';
import { upstreamEndpoint } from './upstream/endpoint.js';
import { isUpstreamError } from './upstream/upstream-error.js';

/** How an organization's cache is: its upstream, what is cached, and the last 24 hours. Times are ms since the epoch. */
export interface OrganizationStatus {
  /** When it was like that, by the clock that every age is told by. */
  readonly at: number;
  readonly settings: ProxyCacheSettings;
  readonly upstream: UpstreamStatus;
  readonly cached: CachedTagSummary;
  /** What its images miss. */
  readonly missing: MissingSummary;
  readonly lastDay: Counts;
  /** When each kind of event happened last within that day. */
  readonly latest: Readonly<Partial<Record<TimelineKind, number>>>;
  /** What happened since the upstream is known to be down; absent while it is not. */
  readonly outage: Counts | undefined;
  readonly storage: StorageStatus;
  readonly quota: QuotaStatus;
  /** That garbage collection holds back what came from the upstream. */
  readonly hold: HoldStatus | undefined;
}

/** Why garbage collection takes nothing, and for how long. Times are ms since the epoch. */
export interface HoldStatus {
  readonly reason: string;
  readonly since?: number;
  readonly until?: number;
}

/** How an organization stands with its quota. */
export interface QuotaStatus {
  /** `full`: what is stored may not be taken, so that pulls are streamed through and not kept. */
  readonly status: 'none' | 'ok' | 'full';
  readonly limitBytes?: number;
  readonly usedBytes?: number;
  /** The last minute in which something was not kept because of it, within 24 hours. ms since the epoch. */
  readonly lastNotStoredAt?: number;
}

/** Whether what clients get can be kept. */
export interface StorageStatus {
  /** `failing`: within the last minutes something could not be kept. */
  readonly status: 'ok' | 'failing';
  /** The last minute in which that happened, within 24 hours. ms since the epoch. */
  readonly lastFailureAt?: number;
}

/** Why something is not kept, other than for a quota. */
const OWN_FAILURES = ['storage', 'database', 'overload'] as const;
/** How long after a failure the disk is not yet taken to be in order, ms: pulls that store something may be rare. */
const FAILING_FOR_MS = 5 * 60_000;

/** How the upstream is for one organization: `down` also while only its own credential may not ask. */
export interface UpstreamStatus
  extends Pick<
    HealthRecord,
    | 'downSince'
    | 'upstreamStatus'
    | 'nextCheckAt'
    | 'retryAfterUntil'
    | 'lastSuccessAt'
    | 'lastFailureAt'
    | 'lastFailureClass'
    | 'rateLimit'
  > {
  readonly status: 'up' | 'down' | 'unknown';
  /** Name of the host that is dialled; absent when the address cannot be one. */
  readonly originHost?: string;
  readonly failureClass?: FailureClass;
  /** Whether so little is left of the rate limit that nothing is asked which can wait. */
  readonly rateLimitLow: boolean;
}

/** What the status leans on. */
export interface StatusParts {
  readonly health: Pick<UpstreamHealth, 'scopeOf' | 'records'>;
  readonly summaries: Pick<CachedTagSummaries, 'find'>;
  readonly missing: Pick<MissingContentTable, 'summary'>;
  readonly timeline: Pick<OutageTimeline, 'lastDay' | 'latest' | 'latestOfEach' | 'since'>;
  readonly quota: Pick<QuotaGate, 'state'>;
  readonly holds: RetentionHolds | undefined;
  readonly clock: Clock;
}

/**
 * Looks up how an organization's cache is. Asks no upstream.
 * @throws RegistryError UNAVAILABLE when the database cannot be asked
 */
export async function organizationStatus(
  parts: StatusParts,
  settings: ProxyCacheSettings,
): Promise<OrganizationStatus> {
  const { organization, upstream: host, stalenessPeriodS } = settings;
  const now = parts.clock.now();
  const upstream = await upstreamStatus(parts, settings, now);
  const { downSince } = upstream;
  const [cached, missing, lastDay, latest, outage, lastFailureAt, quota, hold] = await Promise.all([
    parts.summaries.find(organization, settings.upstream, now - stalenessPeriodS * 1000),
    parts.missing.summary({ organization, upstream: host }, settings.prefetch === 'off' ? 'warm' : undefined),
    parts.timeline.lastDay(organization),
    parts.timeline.latestOfEach(organization),
    downSince === undefined ? undefined : parts.timeline.since(organization, downSince),
    parts.timeline.latest(organization, 'not_stored', OWN_FAILURES),
    quotaStatus(parts, settings),
    parts.holds?.hold(organization, host),
  ]);
  // With a period of 0 nothing may be served unconfirmed, however young it is.
  const lapsed = stalenessPeriodS === 0 ? cached.tags : cached.lapsed;
  const storage =
    lastFailureAt === undefined
      ? ({ status: 'ok' } as const)
      : ({ status: now - lastFailureAt <= FAILING_FOR_MS ? 'failing' : 'ok', lastFailureAt } as const);
  return {
    ...{ at: now, settings, upstream, cached: { ...cached, lapsed }, missing },
    ...{ lastDay, latest, outage, storage, quota, hold },
  };
}

async function quotaStatus({ quota, timeline }: StatusParts, settings: ProxyCacheSettings): Promise<QuotaStatus> {
  const [state, lastNotStoredAt] = await Promise.all([
    quota.state(settings),
    timeline.latest(settings.organization, 'not_stored', ['quota']),
  ]);
  const last = lastNotStoredAt === undefined ? {} : { lastNotStoredAt };
  if (state === undefined) return { status: 'none', ...last };
  const { limitBytes, usedBytes, isFull } = state;
  return { status: isFull ? 'full' : 'ok', limitBytes, usedBytes, ...last };
}

async function upstreamStatus(
  { health }: StatusParts,
  settings: ProxyCacheSettings,
  now: number,
): Promise<UpstreamStatus> {
  const originHost = hostNameOf(settings);
  // Such an address is never dialled, so that nothing is known of it.
  if (originHost === undefined) return { status: 'unknown', failureClass: 'blocked', rateLimitLow: false };
  const { origin, credential } = await health.records(health.scopeOf(settings));
  return { originHost, ...mergeRecords(origin, credential, now) };
}

/** The record of an origin and that of a credential at it as one. Pure. */
export function mergeRecords(
  origin: HealthRecord,
  credential: HealthRecord,
  now: number,
): Omit<UpstreamStatus, 'originHost'> {
  const down = [origin, credential].find(({ downSince }) => downSince !== undefined);
  const retryAfterUntil = credential.retryAfterUntil ?? 0;
  const lastSuccessAt = latest(origin.lastSuccessAt, credential.lastSuccessAt);
  const lastFailureAt = latest(origin.lastFailureAt, credential.lastFailureAt);
  const { lastFailureClass } = origin.lastFailureAt === lastFailureAt ? origin : credential;
  const heard = lastSuccessAt !== undefined;
  return {
    status: down === undefined ? (heard ? 'up' : 'unknown') : 'down',
    ...(down?.downSince === undefined ? {} : { downSince: down.downSince }),
    ...(down?.failureClass === undefined ? {} : { failureClass: down.failureClass }),
    ...(down?.upstreamStatus === undefined ? {} : { upstreamStatus: down.upstreamStatus }),
    ...(down?.nextCheckAt === undefined ? {} : { nextCheckAt: down.nextCheckAt }),
    ...(retryAfterUntil > now ? { retryAfterUntil } : {}),
    ...(lastSuccessAt === undefined ? {} : { lastSuccessAt }),
    ...(lastFailureAt === undefined ? {} : { lastFailureAt }),
    ...(lastFailureClass === undefined ? {} : { lastFailureClass }),
    ...(credential.rateLimit === undefined ? {} : { rateLimit: credential.rateLimit }),
    rateLimitLow: isRateLimitLow(credential, now),
  };
}

function latest(...times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

function hostNameOf(settings: ProxyCacheSettings): string | undefined {
  try {
    return new URL(upstreamEndpoint(settings).origin).hostname;
  } catch (error) {
    if (isUpstreamError(error)) return undefined;
    throw error;
  }
}
