import {
  type Logger,
  MAX_MESSAGE_LENGTH,
  type MessageListener,
  type Messages,
  Subscriptions,
} from '@breakwater/registry-core';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { isRefusal, type RedisCommands, redisErrorCode } from './redis-commands.js';

export interface RedisMessagesOptions {
  readonly commands: RedisCommands;
  /** A connection of its own, for it can do nothing else. */
  readonly subscriber: Redis;
  readonly logger: Logger;
  /** What the names of all channels begin with. */
  readonly prefix: string;
}

const messageSchema = z.string().max(MAX_MESSAGE_LENGTH);

/** Messages through Redis. What is published while a process is not connected does not reach it. */
export class RedisMessages implements Messages {
  readonly #options: RedisMessagesOptions;
  readonly #subscriptions = new Subscriptions();

  constructor(options: RedisMessagesOptions) {
    this.#options = options;
    const { subscriber } = options;
    subscriber.on('ready', () => this.#listen(this.#subscriptions.channels));
    subscriber.on('message', (name: string, text: string) => {
      const message = parseMessage(text);
      if (message !== undefined) this.#subscriptions.tell(name.slice(this.#name('').length), message);
    });
  }

  async publish(channel: string, message: string): Promise<void> {
    if (message.length > MAX_MESSAGE_LENGTH) return;
    const name = this.#name(channel);
    await this.#options.commands.run((redis) => redis.publish(name, JSON.stringify(message)));
  }

  subscribe(channel: string, listener: MessageListener): () => void {
    const isNew = !this.#subscriptions.channels.includes(channel);
    const remove = this.#subscriptions.add(channel, listener);
    if (isNew) this.#listen([channel]);
    return () => {
      const wasListening = this.#subscriptions.channels.includes(channel);
      remove();
      if (wasListening && !this.#subscriptions.channels.includes(channel)) this.#stopListening(channel);
    };
  }

  /** Without a connection there is nothing to do: the next one begins with all channels. */
  #listen(channels: readonly string[]): void {
    const { subscriber, logger } = this.#options;
    if (subscriber.status !== 'ready' || channels.length === 0) return;
    subscriber.subscribe(...channels.map((channel) => this.#name(channel))).catch((error: unknown) => {
      if (isRefusal(error)) {
        logger.warn({ code: redisErrorCode(error) }, 'Redis lets us hear no messages; changes are found by asking');
      } else if (subscriber.status === 'ready') {
        subscriber.disconnect(true);
      }
    });
  }

  #stopListening(channel: string): void {
    const { subscriber } = this.#options;
    if (subscriber.status === 'ready') subscriber.unsubscribe(this.#name(channel)).catch(() => undefined);
  }

  #name(channel: string): string {
    return `${this.#options.prefix}message:${channel}`;
  }
}

function parseMessage(text: string): string | undefined {
  try {
    return messageSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
