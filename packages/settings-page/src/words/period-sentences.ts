import { durationWords } from './duration.js';

/** The three clocks of an organization, in seconds; `checkS` of `null` is once per staleness period. */
export interface Clocks {
  readonly stalenessS: number;
  readonly checkS: number | null;
  readonly expirationS: number;
}

/** Shorter check intervals than this are not checked ahead (design: a quarter before their end). Seconds. */
const CHECKED_AHEAD_FROM_S = 600;

/**
 * For how long an image that is pulled regularly is shielded at least when an outage begins, in seconds: its last check was
 * at most three quarters of the interval ago where pulls check ahead, else at most the whole interval.
 */
export function leastShieldedS({ stalenessS, checkS }: Pick<Clocks, 'stalenessS' | 'checkS'>): number {
  const interval = checkS ?? stalenessS;
  const oldest = interval < CHECKED_AHEAD_FROM_S ? interval : interval * 0.75;
  return Math.max(0, stalenessS - oldest);
}

/** What the staleness period will do, said with its numbers. */
export function stalenessSentence(upstream: string, clocks: Pick<Clocks, 'stalenessS' | 'checkS'>): string {
  const name = upstream.trim() === '' ? 'the upstream' : upstream.trim();
  if (clocks.stalenessS === 0) {
    return `Nothing is served unless ${name} has just confirmed it: while ${name} fails, pulls by tag fail with 503.`;
  }
  const period = durationWords(clocks.stalenessS).replace(/^1 (?=[a-z]+$)/, '');
  const least = leastShieldedS(clocks);
  const survives =
    least === 0
      ? 'An image may lapse as soon as an outage begins: check more often than once per staleness period.'
      : `An image in regular use survives an outage of at least ${durationWords(least)}.`;
  return (
    `If ${name} fails, images confirmed within the last ${period} are still served; ` +
    `older ones fail with 503. ${survives}`
  );
}

/** When a pull asks the upstream. */
export function checkSentence(upstream: string, { stalenessS, checkS }: Pick<Clocks, 'stalenessS' | 'checkS'>): string {
  const name = upstream.trim() === '' ? 'the upstream' : upstream.trim();
  const interval = checkS ?? stalenessS;
  if (interval === 0) return `Every pull by tag asks ${name} first, and sees a new image at once.`;
  return `A tag that moves at ${name} is seen by pulls after ${durationWords(interval)} at the latest.`;
}

/** How long an image is kept. */
export function expirationSentence({ stalenessS, expirationS }: Pick<Clocks, 'stalenessS' | 'expirationS'>): string {
  if (expirationS === 0) return 'Cached images are kept for ever.';
  const kept = `An image that nobody has pulled for ${durationWords(expirationS)} is removed`;
  return stalenessS > expirationS ? `${kept}, but never before its staleness period has ended.` : `${kept}.`;
}
