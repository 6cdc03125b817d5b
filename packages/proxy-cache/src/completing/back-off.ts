/** After so many attempts in vain, about two hours of them, content is given up until its image is pulled again. */
export const MAX_ATTEMPTS = 30;
/** The longest time between two attempts, in milliseconds: as long as the longest window of an outage (P8). */
export const MAX_BACK_OFF_MS = 5 * 60_000;

const FIRST_MS = 200;
const MAX_QUICK_MS = 5_000;
/** Attempts whose back-off is that of a request (P5): what is over soon costs no long wait. */
const QUICK_ATTEMPTS = 6;
const JITTER = 0.2;

/**
 * How long to wait after an attempt in vain, in milliseconds: full jitter up to five seconds (P5) at first, then doubled up
 * to five minutes.
 *
 * @param attempts how many there have been, from 1
 * @param random 0 to 1
 */
export function backOffMs(attempts: number, random: number): number {
  if (attempts <= QUICK_ATTEMPTS) return random * Math.min(MAX_QUICK_MS, FIRST_MS * 2 ** attempts);
  const plain = Math.min(MAX_BACK_OFF_MS, MAX_QUICK_MS * 2 ** Math.min(30, attempts - QUICK_ATTEMPTS));
  return plain * (1 + JITTER * (2 * random - 1));
}
