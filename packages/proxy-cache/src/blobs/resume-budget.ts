/** Attempts without progress before a transfer is given up, the first one included (P4). */
const MAX_ATTEMPTS = 3;
/** What counts as progress, in bytes: less, and a server that breaks off at every packet would be asked for ever. */
const PROGRESS_BYTES = 1024 * 1024;
const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 5_000;

/** How often a broken transfer is resumed: without an end as long as it gets on, three attempts where it does not. */
export class ResumeBudget {
  #failures = 0;
  #countedFrom = 0;

  /** @param random in [0, 1), for the jitter (P5) */
  constructor(private readonly random: () => number = Math.random) {}

  /** Milliseconds before the next attempt, after one that ended at byte `reached`; `undefined` when there is none. */
  next(reached: number): number | undefined {
    if (reached - this.#countedFrom >= PROGRESS_BYTES) {
      this.#failures = 0;
      this.#countedFrom = reached;
    }
    this.#failures += 1;
    if (this.#failures >= MAX_ATTEMPTS) return undefined;
    return this.random() * Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (this.#failures - 1));
  }
}
