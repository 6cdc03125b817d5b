import type { Clock } from '@breakwater/registry-core';

/** How a walk that must not hurry is held back. */
export interface PaceOptions {
  /** Bytes per second. */
  readonly rate: number;
  /** A clock that never goes back, ms. */
  readonly monotonic: Clock;
  /** Waits for so many ms; rejects when it is not to go on. */
  readonly pause: (ms: number) => Promise<void>;
}

/** Shorter waits than this are put together, ms: timers are coarse. */
const LEAST_PAUSE_MS = 20;

/** Holds a reader back to a rate. What it did not use while it was held up by others is lost: there is no rush after it. */
export class Pace {
  readonly #options: PaceOptions;
  #free = 0;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** Resolves when so many bytes more may be read. */
  async spend(bytes: number): Promise<void> {
    const { rate, monotonic, pause } = this.#options;
    const now = monotonic.now();
    this.#free = Math.max(this.#free, now) + (bytes / rate) * 1_000;
    if (this.#free - now >= LEAST_PAUSE_MS) await pause(this.#free - now);
  }
}
