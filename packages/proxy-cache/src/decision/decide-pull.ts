import type { OutageClass } from '@breakwater/registry-core';
import {
  ageMs,
  type CachedTagState,
  cachedTagState,
  effectiveCheckIntervalS,
  type FreshnessSettings,
  type TagFacts,
} from './freshness.js';

/** What is known of an upstream's health when a pull arrives. Times are milliseconds since the epoch. */
export interface HealthFacts {
  /** Set while the upstream is known to be down. */
  readonly down?: {
    readonly since: number;
    readonly failureClass: OutageClass;
    /** When the check that may end it is due. */
    readonly nextCheckAt?: number;
  };
  /** Until when the `Retry-After` of a 429 forbids to ask with this credential. */
  readonly retryAfterUntil?: number;
  /** Whether the rate limit is nearly spent, so that checks ahead should wait. */
  readonly rateLimitLow?: boolean;
}

/** How a pull of a tag goes on. */
export type PullDecision =
  /** Answer from the cache at once; with `checkAhead`, start a shared check that nobody waits for. */
  | { readonly kind: 'serve'; readonly state: 'fresh'; readonly checkAhead: boolean }
  /** Answer from the cache at once because asking is known to be in vain: a shielded pull. */
  | { readonly kind: 'shield'; readonly state: 'stale'; readonly failureClass: OutageClass; readonly since?: number }
  /** Ask the upstream. While a copy may be served the pull waits for the check budget only, else for the client budget. */
  | { readonly kind: 'ask'; readonly state: 'stale'; readonly budget: 'check' }
  | { readonly kind: 'ask'; readonly state: 'absent' | 'lapsed'; readonly budget: 'client' }
  /** Answer 429 without asking: the upstream forbade to ask until then. */
  | { readonly kind: 'refuse'; readonly state: 'absent' | 'lapsed'; readonly retryAfterMs: number };

/** Shortest check interval in seconds for which a check ahead pays. */
export const MIN_CHECK_AHEAD_INTERVAL_S = 600;
/** The part of the check interval after which a check ahead starts. */
export const CHECK_AHEAD_FROM = 0.75;

/** The decision of design 4, first half: what a pull of a tag does before the upstream is asked. Pure. */
export function decidePull(
  entry: TagFacts | undefined,
  settings: FreshnessSettings,
  health: HealthFacts,
  now: number,
): PullDecision {
  const state: CachedTagState | 'absent' = entry === undefined ? 'absent' : cachedTagState(entry, settings, now);
  const retryAfterMs = (health.retryAfterUntil ?? 0) - now;
  switch (state) {
    case 'absent':
    case 'lapsed':
      return retryAfterMs > 0 ? { kind: 'refuse', state, retryAfterMs } : { kind: 'ask', state, budget: 'client' };
    case 'fresh':
      return { kind: 'serve', state, checkAhead: entry !== undefined && wantsCheckAhead(entry, settings, health, now) };
    case 'stale':
      if (retryAfterMs > 0) return { kind: 'shield', state, failureClass: 'rate_limited' };
      if (health.down !== undefined) {
        const { since, failureClass } = health.down;
        return { kind: 'shield', state, failureClass, since };
      }
      return { kind: 'ask', state, budget: 'check' };
  }
}

function wantsCheckAhead(entry: TagFacts, settings: FreshnessSettings, health: HealthFacts, now: number): boolean {
  const intervalS = effectiveCheckIntervalS(settings);
  if (intervalS < MIN_CHECK_AHEAD_INTERVAL_S) return false;
  if (health.down !== undefined || health.rateLimitLow === true || (health.retryAfterUntil ?? 0) > now) return false;
  return ageMs(entry, now) >= intervalS * 1000 * CHECK_AHEAD_FROM;
}
