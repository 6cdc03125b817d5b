/** Longest message, in UTF-16 units. */
export const MAX_MESSAGE_LENGTH = 1024;

/** Hears of a message. What it throws concerns nobody else. */
export type MessageListener = (message: string) => void;

/**
 * Short texts that the processes of a cluster tell each other. A message makes something happen sooner that would happen
 * anyway: it may get lost, come late or come from anybody, and must not be believed further than that.
 */
export interface Messages {
  /**
   * Tells everybody who listens to the channel, the publisher's own listeners too, once. Never rejects and never takes
   * long: where it cannot be told, or is longer than MAX_MESSAGE_LENGTH, the message is dropped.
   */
  publish(channel: string, message: string): Promise<void>;
  /** Listens until the returned function is called; what is published before the subscription has reached everybody is missed. */
  subscribe(channel: string, listener: MessageListener): () => void;
}
