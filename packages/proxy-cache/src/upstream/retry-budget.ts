import { LRUCache } from 'lru-cache';

const WINDOW_MS = 10_000;
/** The window moves by so much at a time. */
const SLICE_MS = 1_000;
const SLICES = WINDOW_MS / SLICE_MS;
/** Retries that any origin may have in a window: ten a second. */
const FLOOR = 100;
/** And beyond them one for so many requests. */
const REQUESTS_PER_RETRY = 10;
const MAX_ORIGINS = 1_000;

interface Slice {
  readonly number: number;
  requests: number;
  retries: number;
}

/**
 * How often requests to an origin may be repeated (P6): at most ten times a second and a tenth of the requests, over ten
 * seconds. An upstream that fails under its load must not get three times the load for it.
 */
export class RetryBudget {
  readonly #origins = new LRUCache<string, Slice[]>({ max: MAX_ORIGINS });

  /** @param now milliseconds that never go back */
  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Notes a request, its retries apart. */
  noteRequest(origin: string): void {
    this.#slice(origin).requests += 1;
  }

  /** Whether one more retry may be made, which is noted then. */
  takeRetry(origin: string): boolean {
    const present = this.#slice(origin);
    const slices = this.#origins.get(origin) ?? [];
    const requests = slices.reduce((sum, slice) => sum + slice.requests, 0);
    const retries = slices.reduce((sum, slice) => sum + slice.retries, 0);
    if (retries + 1 > FLOOR + requests / REQUESTS_PER_RETRY) return false;
    present.retries += 1;
    return true;
  }

  /** The slice of now. Those that have left the window are forgotten. */
  #slice(origin: string): Slice {
    const number = Math.floor(this.now() / SLICE_MS);
    const slices = (this.#origins.get(origin) ?? []).filter((slice) => slice.number > number - SLICES);
    const last = slices.at(-1);
    const present = last?.number === number ? last : { number, requests: 0, retries: 0 };
    if (present !== last) slices.push(present);
    this.#origins.set(origin, slices);
    return present;
  }
}
