/** The slowest transfer that is put up with (P2), in bytes a second. */
const MIN_BYTES_PER_SECOND = 1024;
/** Over how long that is measured (P2), in milliseconds. */
const WINDOW_MS = 60_000;

/**
 * Tells a transfer that is alive but hopelessly slow. What counts is the time that was spent waiting for the upstream: a disk
 * of ours, or a client, may be slower than that.
 */
export class RateFloor {
  #waitedMs = 0;
  #bytes = 0;

  /** Whether it is fast enough, so many more bytes having come after so many milliseconds. */
  holds(bytes: number, waitedMs: number): boolean {
    this.#bytes += bytes;
    this.#waitedMs += waitedMs;
    if (this.#waitedMs < WINDOW_MS) return true;
    const held = this.#bytes >= (MIN_BYTES_PER_SECOND * WINDOW_MS) / 1000;
    this.#waitedMs = 0;
    this.#bytes = 0;
    return held;
  }
}

/** How long a transfer of so many bytes may take at the slowest, in milliseconds. */
export function slowestTransferMs(bytes: number): number {
  return (bytes / MIN_BYTES_PER_SECOND) * 1000;
}
