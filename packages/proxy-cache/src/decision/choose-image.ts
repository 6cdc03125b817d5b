import { ageMs, type FreshnessSettings, type TagFacts } from './freshness.js';

/** What is known of the image that a cached tag points to. */
export interface CurrentImage {
  /** Whether nothing of it is missing from the store. */
  readonly isComplete: boolean;
  /**
   * Whether what it misses cannot be had now: an origin that it takes is known to be down, or the last attempt to fetch
   * it has failed.
   */
  readonly isOutOfReach: boolean;
}

/** Which image a tag is answered with, and whether the previous one has done its duty. */
export interface ImageChoice {
  readonly answer: 'current' | 'previous';
  readonly dropPrevious: boolean;
}

/**
 * The second decision (design 5.4): no torn update. While the rest of a newer image cannot be had, a tag is answered with
 * the last complete one, as long as that one's own age is within the staleness period. Pure.
 *
 * @param previous the last complete image, with the confirmation it had; absent when there is none
 * @param now ms since the epoch
 */
export function chooseImage(
  current: CurrentImage,
  previous: TagFacts | undefined,
  settings: Pick<FreshnessSettings, 'stalenessPeriodS'>,
  now: number,
): ImageChoice {
  if (previous === undefined) return { answer: 'current', dropPrevious: false };
  if (current.isComplete) return { answer: 'current', dropPrevious: true };
  const { stalenessPeriodS } = settings;
  const mayBeServed = stalenessPeriodS > 0 && ageMs(previous, now) <= stalenessPeriodS * 1000;
  if (!mayBeServed) return { answer: 'current', dropPrevious: true };
  return { answer: current.isOutOfReach ? 'previous' : 'current', dropPrevious: false };
}
