import { ChangeNotices, type Logger, type Messages } from '@breakwater/registry-core';

export interface AccessChangesOptions {
  /** The number that every write raises. */
  readonly changeNumber: () => Promise<string>;
  /** Forgets what is remembered of rights. */
  readonly onChanged: () => void;
  readonly messages: Messages;
  readonly logger: Logger;
}

/** How often memory follows the database, ms. */
const FOLLOW_EVERY_MS = 1_000;

/** Sees to it that nothing is remembered of rights for longer than a second or two after another process changed them. */
export class AccessChanges {
  readonly #options: AccessChangesOptions;
  readonly #notices: ChangeNotices;
  #number: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #following: Promise<void> | undefined;
  #failing = false;

  constructor(options: AccessChangesOptions) {
    this.#options = options;
    this.#notices = new ChangeNotices({
      messages: options.messages,
      channel: 'access',
      follow: () => this.#follow(),
    });
  }

  /** Something was changed here: counts at once, and the others are told. */
  changed(): void {
    this.#options.onChanged();
    this.#notices.announce();
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      this.#following ??= this.#followQuietly().finally(() => {
        this.#following = undefined;
      });
    }, FOLLOW_EVERY_MS).unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#following;
    await this.#notices.close();
  }

  async #follow(): Promise<void> {
    const number = await this.#options.changeNumber();
    if (number !== this.#number) this.#options.onChanged();
    this.#number = number;
  }

  async #followQuietly(): Promise<void> {
    try {
      await this.#follow();
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) {
        this.#options.logger.warn({ err: error }, 'changes of rights cannot be read; going on with what is in memory');
      }
      this.#failing = true;
    }
  }
}
