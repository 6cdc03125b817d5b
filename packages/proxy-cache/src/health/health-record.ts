import type { OutageClass } from '@breakwater/registry-core';

/**
 * What is known of one upstream origin, or of one credential at it. Times are milliseconds since the epoch; what never
 * happened is absent.
 */
export interface HealthRecord {
  readonly failureClass?: OutageClass;
  /** Failed checks in a row. */
  readonly failures: number;
  readonly upstreamStatus?: number;
  /** Set while it is known to be down. */
  readonly downSince?: number;
  /** When the next check of a known-down upstream is due. */
  readonly nextCheckAt?: number;
  /** Until when the upstream forbade to ask. */
  readonly retryAfterUntil?: number;
  readonly lastSuccessAt?: number;
  readonly lastFailureAt?: number;
  /** Of the last failure, also once it is over. */
  readonly lastFailureClass?: OutageClass;
  /** What the upstream told last of the credential's rate limit. */
  readonly rateLimit?: ToldRateLimit;
}

/** A rate limit, and when it was told. The window is in seconds. */
export interface ToldRateLimit {
  readonly limit: number;
  readonly remaining: number;
  readonly windowS: number;
  readonly at: number;
}

/** Nothing is known yet. */
export const UNKNOWN_HEALTH: HealthRecord = { failures: 0 };

/** A failed check. */
export interface FailedCheck {
  readonly failureClass: OutageClass;
  readonly upstreamStatus?: number;
  readonly retryAfterMs?: number;
  /** Whether it was the check that a process claimed at the end of a window. */
  readonly claimed?: boolean;
}

/** The window that one failure closes, doubled with each further one, and its end (P8). Milliseconds. */
const FIRST_WINDOW_MS = 5_000;
const MAX_WINDOW_MS = 5 * 60_000;
const JITTER = 0.2;

/** How long a known-down upstream is left alone. @param random 0 to 1 */
export function windowMs(failures: number, retryAfterMs: number | undefined, random: number): number {
  const plain = Math.min(MAX_WINDOW_MS, FIRST_WINDOW_MS * 2 ** Math.min(30, Math.max(0, failures - 1)));
  return Math.max(plain * (1 + JITTER * (2 * random - 1)), retryAfterMs ?? 0);
}

/**
 * The record after a failed check. Failures inside the window of an earlier one say nothing new, so they do not make it
 * longer; only the claimed check at its end, or the first failure, does. A Retry-After that is in force is never made
 * shorter. Pure.
 */
export function afterFailure(record: HealthRecord, failed: FailedCheck, now: number, random: number): HealthRecord {
  const insideWindow = record.downSince !== undefined && now < (record.nextCheckAt ?? 0) && failed.claimed !== true;
  const failures = insideWindow ? record.failures : record.failures + 1;
  const nextCheckAt = now + windowMs(failures, failed.retryAfterMs, random);
  const told = failed.failureClass === 'rate_limited' ? now + (failed.retryAfterMs ?? 0) : 0;
  const retryAfterUntil = Math.max(record.retryAfterUntil ?? 0, told);
  return {
    ...(record.lastSuccessAt === undefined ? {} : { lastSuccessAt: record.lastSuccessAt }),
    failureClass: failed.failureClass,
    failures,
    ...(failed.upstreamStatus === undefined ? {} : { upstreamStatus: failed.upstreamStatus }),
    downSince: record.downSince ?? now,
    nextCheckAt: insideWindow
      ? Math.max(record.nextCheckAt ?? 0, now + (failed.retryAfterMs ?? 0))
      : Math.max(nextCheckAt, retryAfterUntil),
    ...(retryAfterUntil > now ? { retryAfterUntil } : {}),
    lastFailureAt: now,
    lastFailureClass: failed.failureClass,
    ...(record.rateLimit === undefined ? {} : { rateLimit: record.rateLimit }),
  };
}

/** The record after a success, which ends everything. Pure. */
export function afterSuccess(record: HealthRecord, now: number): HealthRecord {
  return {
    failures: 0,
    lastSuccessAt: now,
    ...(record.lastFailureAt === undefined ? {} : { lastFailureAt: record.lastFailureAt }),
    ...(record.lastFailureClass === undefined ? {} : { lastFailureClass: record.lastFailureClass }),
    ...(record.rateLimit === undefined ? {} : { rateLimit: record.rateLimit }),
  };
}

/** A limit counts as low when at most a tenth of it is left. */
const LOW_PART = 0.1;

/** Whether so little is left of a rate limit that nothing should be asked which can wait. A window that is over is over. */
export function isRateLimitLow(record: HealthRecord | undefined, now: number): boolean {
  const told = record?.rateLimit;
  if (told === undefined || now - told.at >= told.windowS * 1000) return false;
  return told.remaining <= told.limit * LOW_PART;
}
