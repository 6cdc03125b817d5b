import type { Clock } from '@breakwater/registry-core';

export interface BreakerOptions {
  /** One that never goes back, and whose zero means nothing. */
  readonly clock: Clock;
  /** After a failure nobody tries for so long, in milliseconds. */
  readonly pauseMs: number;
  /** The pause when there is a new connection, which is a reason for hope. */
  readonly connectedPauseMs: number;
}

/** Lets commands through while they work; after one that failed, none for a pause, and then one at a time until one works. */
export class Breaker {
  #broken = false;
  #failedAt = 0;
  #nextTryAt = 0;

  constructor(private readonly options: BreakerOptions) {}

  /** Whether the last command that was tried has failed. */
  get broken(): boolean {
    return this.#broken;
  }

  /** Whether a command may be sent now. True during a failure means that this command is the one that tries. */
  allows(): boolean {
    if (!this.#broken) return true;
    const now = this.options.clock.now();
    if (now < this.#nextTryAt) return false;
    this.#nextTryAt = now + this.options.pauseMs;
    return true;
  }

  /** A command worked. Returns whether this is news. */
  worked(): boolean {
    const news = this.#broken;
    this.#broken = false;
    return news;
  }

  /** A command failed. Returns whether this is news. */
  failed(): boolean {
    const news = !this.#broken;
    this.#broken = true;
    this.#failedAt = this.options.clock.now();
    this.#nextTryAt = this.#failedAt + this.options.pauseMs;
    return news;
  }

  /** There is a new connection. */
  connected(): void {
    this.#nextTryAt = Math.min(this.#nextTryAt, this.#failedAt + this.options.connectedPauseMs);
  }
}
