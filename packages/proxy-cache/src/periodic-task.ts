import type { Logger } from '@breakwater/registry-core';

/** Runs something again and again, never twice at a time. A failure is logged once until it works again. */
export class PeriodicTask {
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #failing = false;

  constructor(
    private readonly name: string,
    private readonly everyMs: number,
    private readonly logger: Logger,
    private readonly run: () => Promise<void>,
  ) {}

  start(): void {
    this.#timer ??= setInterval(() => void this.runNow(), this.everyMs).unref();
  }

  /** Runs it, or joins the run under way. Never rejects. */
  runNow(): Promise<void> {
    this.#running ??= this.#once().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Ends the repetition and waits for the run under way. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#running;
  }

  async #once(): Promise<void> {
    try {
      await this.run();
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.logger.warn({ err: error }, `${this.name} failed; it is tried again`);
      this.#failing = true;
    }
  }
}
