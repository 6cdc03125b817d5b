import { CHECK_AHEAD_FROM } from '../decision/decide-pull.js';
import { effectiveCheckIntervalS, type FreshnessSettings } from '../decision/freshness.js';

const MINUTE_MS = 60_000;
/** What is there is confirmed no more often than this, unless the staleness period is shorter. Milliseconds. */
const MIN_CONFIRM_MS = 10 * MINUTE_MS;
/** After how long a signature that was not there is looked for again: four times as long each time. Milliseconds. */
const FIRST_ABSENT_MS = 60 * MINUTE_MS;
const MAX_ABSENT_MS = 24 * 60 * MINUTE_MS;

/** What a look has found out. */
export interface LookOutcome {
  /** Whether there is anything that has to be kept fresh. */
  readonly found: boolean;
  /** How often, this time included, something that is not there was looked for. */
  readonly misses: number;
  /** From when what is not there is looked for again, if this look has not looked for it. */
  readonly absentAt: number;
  readonly lookedForAbsent: boolean;
}

/** When the signatures of an image are looked for again, if it is still pulled then. */
export interface NextLook {
  readonly at: number;
  readonly absentAt: number;
}

/**
 * When to look again. What is there is confirmed as often as the image itself, so that an outage finds it no older; what is
 * not there is asked for less and less often, since most images are not signed and each look is requests.
 */
export function nextLook(outcome: LookOutcome, settings: FreshnessSettings, now: number): NextLook {
  const absentAt = outcome.lookedForAbsent ? now + absentMs(outcome.misses) : outcome.absentAt;
  return { at: outcome.found ? Math.min(absentAt, now + confirmMs(settings)) : absentAt, absentAt };
}

/** Whether what was confirmed so long ago (ms) is to be confirmed again: from when on a pull would check it ahead. */
export function isDue(ageMs: number, settings: FreshnessSettings): boolean {
  return ageMs >= effectiveCheckIntervalS(settings) * 1000 * CHECK_AHEAD_FROM;
}

function absentMs(misses: number): number {
  return Math.min(MAX_ABSENT_MS, FIRST_ABSENT_MS * 4 ** Math.min(10, Math.max(0, misses - 1)));
}

function confirmMs(settings: FreshnessSettings): number {
  const wanted = Math.max(MIN_CONFIRM_MS, effectiveCheckIntervalS(settings) * 1000 * CHECK_AHEAD_FROM);
  return Math.max(MINUTE_MS, Math.min(wanted, settings.stalenessPeriodS * 1000 * CHECK_AHEAD_FROM));
}
