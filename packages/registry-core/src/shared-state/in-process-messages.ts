import { MAX_MESSAGE_LENGTH, type MessageListener, type Messages } from './messages.js';
import { Subscriptions } from './subscriptions.js';

/** Messages between the parts of a single process. */
export class InProcessMessages implements Messages {
  readonly #subscriptions = new Subscriptions();

  async publish(channel: string, message: string): Promise<void> {
    if (message.length <= MAX_MESSAGE_LENGTH) this.#subscriptions.tell(channel, message);
  }

  subscribe(channel: string, listener: MessageListener): () => void {
    return this.#subscriptions.add(channel, listener);
  }
}
