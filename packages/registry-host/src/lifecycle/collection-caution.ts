import type { SkipReason } from '@breakwater/gc';
import type { Clock } from '@breakwater/registry-core';

/**
 * How long after the database was last seen to fail no garbage is collected, ms: uses are written every five seconds at
 * least, so after twice that all processes have written what waited in their memory; two seconds for whoever looks.
 */
const WAIT_MS = 12_000;

/** Knows when what garbage collection decides by cannot be trusted: its clock, and that uses are written in time. */
export class CollectionCaution {
  #hasJumped = false;
  #failedAt = Number.NEGATIVE_INFINITY;

  /** @param monotonic a clock that never goes back */
  constructor(private readonly monotonic: Clock) {}

  /** The clock of the database has jumped: the next run is left out (P19). */
  clockJumped(): void {
    this.#hasJumped = true;
  }

  /** Hears of a call of the database that is made every second or so, and passes on what comes of it. */
  async watch<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      this.#failedAt = this.monotonic.now();
      throw error;
    }
  }

  /** Why the run that is about to begin is left out. One jump leaves out one run. */
  reasonToSkip(): SkipReason | undefined {
    if (this.#hasJumped) {
      this.#hasJumped = false;
      return 'clock_jumped';
    }
    return this.monotonic.now() - this.#failedAt < WAIT_MS ? 'database_recovered' : undefined;
  }
}
