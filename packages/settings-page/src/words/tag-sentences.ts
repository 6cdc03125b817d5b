import type { CachedTag, CheckResult, Purge } from '../api/shapes.js';
import { sizeWords } from './byte-size.js';
import { counted, durationWords } from './duration.js';
import { failureClassWords } from './failure-classes.js';

/** What is left until a time, "2 days 3 hours" or "over"; `now` in milliseconds since the epoch. */
export function leftWords(until: string, now: number): string {
  const left = (Date.parse(until) - now) / 1000;
  return left <= 0 ? 'over' : durationWords(left);
}

/** How much is left of a period that ends at a time: 0 to 1. `null` = there was none. */
export function leftPart(until: string | null, periodS: number, now: number): number {
  if (until === null || periodS === 0) return 0;
  return Math.min(1, Math.max(0, (Date.parse(until) - now) / 1000 / periodS));
}

/** For how long a pull waits for nobody. */
export function freshWords({ state, fresh_until }: Pick<CachedTag, 'state' | 'fresh_until'>, now: number): string {
  return state === 'fresh' ? leftWords(fresh_until, now) : 'over';
}

/** For how long a tag is still served whatever the upstream does. */
export function shieldedWords({ shielded_until }: Pick<CachedTag, 'shielded_until'>, now: number): string {
  return shielded_until === null ? 'not shielded' : leftWords(shielded_until, now);
}

/** For how long it is kept if nobody pulls it. */
export function keptWords({ kept_until, pinned }: Pick<CachedTag, 'kept_until' | 'pinned'>, now: number): string {
  if (pinned) return 'for ever, pinned';
  return kept_until === null ? 'for ever' : leftWords(kept_until, now);
}

/** How long ago something was. What another process saw may be a few seconds late: below a minute it is "just now". */
export function agoWords(at: string, now: number): string {
  const seconds = (now - Date.parse(at)) / 1000;
  return seconds < 60 ? 'just now' : `${durationWords(seconds)} ago`;
}

/** What came of asking about a tag. */
export function checkWords({ reference, outcome, failure_class }: CheckResult): string {
  switch (outcome) {
    case 'confirmed':
      return `${reference} is confirmed: the upstream still has it like that`;
    case 'moved':
      return `${reference} has moved at the upstream; pulls get the new image`;
    case 'not_cached':
      return `${reference} is not cached any more`;
    case 'failed':
      return `${reference} could not be checked: the upstream ${failureClassWords(failure_class ?? '').happened}`;
  }
}

/** What a purge would free, and what stays. */
export function purgeWords({ tags, bytes_freed, bytes_shared, pinned_kept }: Purge): readonly string[] {
  const freed = bytes_freed === null ? '' : `, ${sizeWords(bytes_freed)} are freed by a later garbage collection`;
  return [
    tags === 0 ? 'Nothing fits: no tag goes.' : `${counted(tags, 'tags')} ${tags === 1 ? 'goes' : 'go'}${freed}.`,
    ...(bytes_shared === null || bytes_shared === 0
      ? []
      : [`${sizeWords(bytes_shared)} stay, because other images need them too.`]),
    ...(pinned_kept === 0 ? [] : [`${counted(pinned_kept, 'pinned tags')} ${pinned_kept === 1 ? 'stays' : 'stay'}.`]),
  ];
}
