/** The slowest transfer that is put up with (P2): 1 KiB/s over a minute. */
const MIN_BYTES_PER_WINDOW = 60 * 1024;
const WINDOW_MS = 60_000;

/** Tells a transfer that is alive but hopelessly slow. */
export class RateFloor {
  #windowStart = performance.now();
  #bytes = 0;

  /** Whether it is fast enough, so many more bytes having come. */
  holds(bytes: number): boolean {
    this.#bytes += bytes;
    const now = performance.now();
    if (now - this.#windowStart < WINDOW_MS) return true;
    const held = this.#bytes >= MIN_BYTES_PER_WINDOW;
    this.#windowStart = now;
    this.#bytes = 0;
    return held;
  }
}
