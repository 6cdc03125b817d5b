/** The clock facts of a cached tag. Times are milliseconds since the epoch. */
export interface TagFacts {
  /** When the upstream last answered positively for this tag and digest. */
  readonly confirmedAt: number;
}

/** The periods that decide. Whole seconds. */
export interface FreshnessSettings {
  readonly stalenessPeriodS: number;
  /** `null` = the staleness period. */
  readonly checkIntervalS: number | null;
}

/** Where a cached tag stands between its check interval and its staleness period (design, "The words"). */
export type CachedTagState = 'fresh' | 'stale' | 'lapsed';

/** The age of a confirmation in milliseconds, never below 0, whatever a clock did meanwhile. */
export function ageMs(facts: TagFacts, now: number): number {
  return Math.max(0, now - facts.confirmedAt);
}

/** The check interval in force, in seconds. */
export function effectiveCheckIntervalS(settings: FreshnessSettings): number {
  return settings.checkIntervalS ?? settings.stalenessPeriodS;
}

/**
 * Fresh: age < check interval. Stale: not fresh, and age ≤ staleness period. Lapsed: the age exceeds the staleness
 * period, or the period is 0. Pulls and garbage collection share the word "exceeds": an age of exactly the period is
 * still within it.
 */
export function cachedTagState(facts: TagFacts, settings: FreshnessSettings, now: number): CachedTagState {
  const age = ageMs(facts, now);
  if (settings.stalenessPeriodS === 0 || age > settings.stalenessPeriodS * 1000) return 'lapsed';
  return age < effectiveCheckIntervalS(settings) * 1000 ? 'fresh' : 'stale';
}
