import type { ExpirableTag, UpstreamCondition } from './ports.js';

/**
 * How late a use can be written: uses are noted in the memory of the process that served them and written every five
 * seconds, so twice that is added to every period at whose end another process may have served one. A tag can be served to
 * the end of its staleness period, after any time without a pull.
 */
export const USE_MARGIN_MS = 10_000;

/** How old the last answer of an upstream may be before a hold is decided on it, ms. */
export const HEARD_RECENTLY_MS = 3_600_000;

/** Why a tag goes. */
export type ExpireReason =
  /** Its age exceeds the staleness period, and there is no expiration. */
  | 'lapsed'
  /** Its age exceeds the staleness period, and its expiration since the last use has passed. */
  | 'lapsed_and_unused'
  /** Its organization has more than its quota, and it is among what was pulled the longest ago, whatever its age. */
  | 'quota';

/** Why a tag stays by its own facts. */
export type OwnKeepReason = 'pinned' | 'within_staleness' | 'kept_for_ever' | 'used_recently';

/** What the rule says of a tag, its upstream aside. */
export type TagVerdict =
  | { readonly action: 'expire'; readonly reason: ExpireReason }
  | { readonly action: 'keep'; readonly reason: OwnKeepReason };

/**
 * The rule, its hold aside: a tag goes only when its age exceeds the staleness period *and* its expiration since the
 * last use has passed *and* it is not pinned, each with the margin for uses that are not written yet. Without an expiration
 * the staleness period alone decides, and a use moves nothing: then there is no margin. A tag exactly as old stays. A fact that is not a number keeps the tag.
 *
 * @param now ms since the epoch
 */
export function judgeTag(tag: ExpirableTag, now: number): TagVerdict {
  if (tag.pinned) return { action: 'keep', reason: 'pinned' };
  const ageMs = Math.max(0, now - tag.confirmedAt);
  const exceedsStaleness = ageMs > tag.stalenessPeriodS * 1000;
  if (!exceedsStaleness) return { action: 'keep', reason: 'within_staleness' };
  if (tag.expirationS === undefined) return { action: 'expire', reason: 'lapsed' };
  if (tag.expirationS === 0) return { action: 'keep', reason: 'kept_for_ever' };
  if (ageMs <= tag.stalenessPeriodS * 1000 + USE_MARGIN_MS) return { action: 'keep', reason: 'within_staleness' };
  const unusedMs = Math.max(0, now - tag.lastUsedAt);
  const expirationPassed = unusedMs > tag.expirationS * 1000 + USE_MARGIN_MS;
  return expirationPassed
    ? { action: 'expire', reason: 'lapsed_and_unused' }
    : { action: 'keep', reason: 'used_recently' };
}

/**
 * The hold: while an upstream is down, nothing that came from it goes, because it could not be had again. An outage of
 * more than `holdMs` is no longer an outage but the end of that upstream. An outage of unknown beginning is held.
 *
 * @param holdMs 0 = no hold
 */
export function isHeld(condition: UpstreamCondition, now: number, holdMs: number): boolean {
  if (!condition.down || holdMs === 0) return false;
  return condition.downSince === undefined || now - condition.downSince <= holdMs;
}

/** Whether what is known of an upstream is too old to delete the only copy of something on the strength of it. */
export function needsFreshCheck(condition: UpstreamCondition, now: number): boolean {
  return condition.lastHeardAt === undefined || now - condition.lastHeardAt > HEARD_RECENTLY_MS;
}

/**
 * Links last used before this time may go. The margin is not added to a grace of 0: that setting says that no pull is
 * to be protected, so there is no lateness to make up for, and what was used up to this very millisecond may go.
 */
export function leaseEnd(now: number, graceMs: number): number {
  return graceMs === 0 ? now + 1 : now - graceMs - USE_MARGIN_MS;
}
