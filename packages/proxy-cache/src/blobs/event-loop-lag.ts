import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

/** How finely the delay is sampled, in milliseconds. */
const RESOLUTION_MS = 20;
/** How long a sample counts. */
const WINDOW_MS = 1_000;

/** How far this process is behind: the longest that its event loop was held up of late. */
export class EventLoopLag {
  #histogram: IntervalHistogram | undefined;
  #windowAt = 0;
  #before = 0;

  /** The longest delay of the last second or two, in milliseconds; 0 before `start`. */
  recentMs(): number {
    if (this.#histogram === undefined) return 0;
    const now = performance.now();
    const current = this.#longestMs(this.#histogram);
    if (now - this.#windowAt < WINDOW_MS) return Math.max(this.#before, current);
    this.#before = now - this.#windowAt < 2 * WINDOW_MS ? current : 0;
    this.#windowAt = now;
    this.#histogram.reset();
    return current;
  }

  start(): void {
    this.#histogram ??= monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#histogram.enable();
    this.#windowAt = performance.now();
  }

  stop(): void {
    this.#histogram?.disable();
    this.#histogram = undefined;
  }

  /** The histogram counts whole intervals, the sampling itself included. */
  #longestMs(histogram: IntervalHistogram): number {
    return histogram.count === 0 ? 0 : Math.max(0, histogram.max / 1e6 - RESOLUTION_MS);
  }
}
