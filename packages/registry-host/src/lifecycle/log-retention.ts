import type { Clock, Logger } from '@breakwater/registry-core';

/** A log that only grows, unless what is old is removed. Resolves to how many entries went. */
export interface PrunedLog {
  prune(before: number, limit: number): Promise<number>;
}

const EVERY_MS = 60 * 60_000;
const DAY_MS = 24 * 60 * 60_000;
const BATCH = 1_000;

/** Removes what is older than the operator keeps, once an hour and in batches. */
export class LogRetention {
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(
    private readonly logs: readonly PrunedLog[],
    /** 0 = for ever. */
    private readonly days: number,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  start(): void {
    if (this.days === 0) return;
    const run = () => {
      this.#running = this.#running.then(() => this.run());
    };
    this.#timer = setInterval(run, EVERY_MS).unref();
    run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#running;
  }

  /** Never rejects. */
  async run(): Promise<void> {
    const before = this.clock.now() - this.days * DAY_MS;
    try {
      for (const log of this.logs) while (!this.#stopped && (await log.prune(before, BATCH)) === BATCH);
    } catch (error) {
      this.logger.warn({ err: error }, 'old entries of the audit log could not be removed; it is tried again');
    }
  }
}
