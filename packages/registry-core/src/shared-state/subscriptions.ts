import type { MessageListener } from './messages.js';

/** Who listens to which channel: what every kind of Messages needs. */
export class Subscriptions {
  readonly #listeners = new Map<string, Set<{ readonly listener: MessageListener }>>();

  /** The channels that somebody listens to. */
  get channels(): readonly string[] {
    return [...this.#listeners.keys()];
  }

  /** Adds a listener; the returned function takes it away again. The same function may listen twice. */
  add(channel: string, listener: MessageListener): () => void {
    const subscription = { listener };
    const present = this.#listeners.get(channel);
    if (present === undefined) this.#listeners.set(channel, new Set([subscription]));
    else present.add(subscription);
    return () => {
      const remaining = this.#listeners.get(channel);
      if (remaining?.delete(subscription) && remaining.size === 0) this.#listeners.delete(channel);
    };
  }

  /** Tells each listener of a channel. One that throws keeps nothing from the others. */
  tell(channel: string, message: string): void {
    for (const subscription of [...(this.#listeners.get(channel) ?? [])]) {
      try {
        subscription.listener(message);
      } catch {
        // As the contract has it: what a listener throws concerns nobody else.
      }
    }
  }
}
