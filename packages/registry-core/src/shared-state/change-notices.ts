import { randomUUID } from 'node:crypto';
import type { Messages } from './messages.js';

export interface ChangeNoticesOptions {
  readonly messages: Messages;
  readonly channel: string;
  /** Looks for what others have changed. Called when they say that they have; what it rejects with is not passed on. */
  follow(): Promise<void>;
  /** Least time between the end of one look and the begin of the next, in milliseconds of real time. */
  readonly pauseMs?: number;
}

const DEFAULT_PAUSE_MS = 200;

/**
 * Tells the other processes that something was changed, and looks at once when they tell us. Many notices make few looks:
 * one that comes during a look, or in the pause after it, makes one more. What a notice says is not believed, only that
 * it is not our own.
 */
export class ChangeNotices {
  readonly #options: ChangeNoticesOptions;
  readonly #pauseMs: number;
  readonly #self = randomUUID();
  readonly #unsubscribe: () => void;
  #state: 'idle' | 'busy' | 'closed' = 'idle';
  #wanted = false;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(options: ChangeNoticesOptions) {
    this.#options = options;
    this.#pauseMs = options.pauseMs ?? DEFAULT_PAUSE_MS;
    this.#unsubscribe = options.messages.subscribe(options.channel, (sender) => {
      if (sender !== this.#self) this.#want();
    });
  }

  /** Says that something was changed here. Waits for nobody. */
  announce(): void {
    this.#options.messages.publish(this.#options.channel, this.#self).catch(() => undefined);
  }

  /** Hears no more, and waits for the look under way. */
  async close(): Promise<void> {
    this.#state = 'closed';
    this.#unsubscribe();
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #want(): void {
    if (this.#state === 'busy') this.#wanted = true;
    else if (this.#state === 'idle') this.#look();
  }

  #look(): void {
    this.#state = 'busy';
    this.#wanted = false;
    this.#looking = this.#lookOnce();
  }

  async #lookOnce(): Promise<void> {
    try {
      await this.#options.follow();
    } catch {
      // Whoever looks regularly meets the same failure, and tells of it.
    }
    if (this.#state === 'closed') return;
    this.#timer = setTimeout(() => {
      this.#state = 'idle';
      if (this.#wanted) this.#look();
    }, this.#pauseMs);
    this.#timer.unref();
  }
}
