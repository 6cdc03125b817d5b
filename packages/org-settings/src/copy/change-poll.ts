import type { Logger } from '@breakwater/registry-core';
import { errorCode } from './error-code.js';
import { withDeadline } from './with-deadline.js';

export interface ChangePollOptions {
  /** Asks for changes and applies them. */
  ask(): Promise<void>;
  /** Oldest answer that is good enough, in ms. Half of it is the time between two questions. */
  readonly maxStaleMs: number;
  readonly logger: Logger;
}

/**
 * Asks for changes now and then, but only while somebody reads. A failure is logged once, and nobody waits for the next
 * attempt: a dead database must not slow the readers down that can do without it.
 *
 * It measures with the monotonic clock instead of the injected one, since what it bounds is the real time that other
 * processes have had to write something.
 */
export class ChangePoll {
  readonly #options: ChangePollOptions;
  readonly #intervalMs: number;
  #askedAt = Number.NEGATIVE_INFINITY;
  #touched = false;
  #closed = false;
  #failing = false;
  #timer: NodeJS.Timeout | undefined;
  #asking: Promise<void> | undefined;
  #unanswered: { readonly answer: Promise<void>; readonly startedAt: number } | undefined;

  constructor(options: ChangePollOptions) {
    this.#options = options;
    this.#intervalMs = options.maxStaleMs / 2;
  }

  /** Notes that somebody reads. Returns something to wait for when the last answer is too old; it never rejects. */
  touch(): Promise<void> | undefined {
    this.#touched = true;
    this.#schedule();
    if (performance.now() - this.#askedAt <= this.#options.maxStaleMs) return undefined;
    return this.#ask();
  }

  /** Asks now, because something has changed: an answer that is under way may be from before. Never rejects. */
  async askNow(): Promise<void> {
    await this.#asking;
    if (!this.#closed) await this.#ask();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#closed || !this.#touched) return;
    this.#timer = setTimeout(() => {
      this.#touched = false;
      void this.#ask().then(() => {
        this.#timer = undefined;
        this.#schedule();
      });
    }, this.#intervalMs);
    this.#timer.unref();
  }

  #ask(): Promise<void> {
    this.#asking ??= this.#askOnce().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #askOnce(): Promise<void> {
    // A question that hangs is not asked a second time beside itself: it would only use up the pool.
    this.#unanswered ??= this.#question();
    const { answer, startedAt } = this.#unanswered;
    try {
      await withDeadline(answer, this.#intervalMs);
      this.#askedAt = startedAt;
      if (this.#failing) this.#options.logger.info({}, 'proxy cache settings are read from the database again');
      this.#failing = false;
    } catch (error) {
      this.#askedAt = performance.now();
      if (!this.#failing && !this.#closed) {
        this.#options.logger.warn(
          { code: errorCode(causeOf(error)) },
          'proxy cache settings cannot be read from the database: organizations in memory go on with what was read last',
        );
      }
      this.#failing = true;
    }
  }

  #question(): { readonly answer: Promise<void>; readonly startedAt: number } {
    const answered = () => {
      this.#unanswered = undefined;
    };
    const question = { startedAt: performance.now(), answer: this.#options.ask() };
    question.answer.then(answered, answered);
    return question;
  }
}

function causeOf(error: unknown): unknown {
  return (error as { readonly cause?: unknown } | undefined)?.cause ?? error;
}
