import type { Clocks } from './period-sentences.js';

/** A stretch of the line on which the clocks of an image are drawn; from 0 to 1. */
export interface Stretch {
  readonly state: 'fresh' | 'shielded' | 'lapsed';
  readonly from: number;
  readonly to: number;
}

/** The three clocks on one line. A mark's place is where its time stands, from 0 to 1. */
export interface ClockPicture {
  readonly stretches: readonly Stretch[];
  readonly marks: readonly {
    readonly clock: 'check' | 'staleness' | 'expiration';
    readonly at: number;
    readonly seconds: number;
  }[];
  /** Whether images are kept for ever, beyond the right end of the line. */
  readonly keptForEver: boolean;
}

/** How much of the line is left for what comes behind the last mark. */
const BEHIND = 0.12;

/**
 * Places the clocks on a line so that they stand in order and apart. Times go from minutes to years, so that the line is
 * neither linear nor to scale: the place is the square root of the time. Pure.
 */
export function clockPicture({ stalenessS, checkS, expirationS }: Clocks): ClockPicture {
  const interval = Math.min(checkS ?? stalenessS, stalenessS);
  const longest = Math.max(stalenessS, expirationS, 1);
  const place = (seconds: number) => Math.sqrt(seconds / longest) * (1 - BEHIND);
  const fresh = place(interval);
  const shielded = place(stalenessS);
  const stretches: Stretch[] = [
    { state: 'fresh', from: 0, to: fresh },
    { state: 'shielded', from: fresh, to: shielded },
    { state: 'lapsed', from: shielded, to: 1 },
  ];
  return {
    stretches: stretches.filter(({ from, to }) => to > from),
    marks: [
      { clock: 'check', at: fresh, seconds: interval },
      { clock: 'staleness', at: shielded, seconds: stalenessS },
      ...(expirationS === 0 ? [] : [{ clock: 'expiration' as const, at: place(expirationS), seconds: expirationS }]),
    ],
    keptForEver: expirationS === 0,
  };
}
