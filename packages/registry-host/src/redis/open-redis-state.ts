import type { Clock, KeyValueStore, Logger, Messages } from '@breakwater/registry-core';
import { openRedis } from './open-redis.js';
import { RedisCommands, type RedisFacts } from './redis-commands.js';
import { RedisKeyValueStore } from './redis-key-value-store.js';
import { RedisMessages } from './redis-messages.js';
import { createSealedText } from './sealed-text.js';

export interface RedisStateOptions {
  readonly url: string;
  /** The registry's secret key. Registries share what they have in Redis when it is the same. */
  readonly secretKey: Uint8Array;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Measures the pause after a failure; it must never go back. Default the monotonic clock. */
  readonly monotonic?: Clock;
}

/** What processes share through Redis. */
export interface RedisState {
  readonly values: KeyValueStore;
  readonly messages: Messages;
  readonly facts: RedisFacts;
  /** Ends the connections, whatever they are in the middle of. */
  close(): void;
}

/** Connects in the background. That Redis is not there, or not any more, is never an error. */
export function openRedisState({ url, secretKey, clock, logger, monotonic }: RedisStateOptions): RedisState {
  const redis = openRedis(url);
  const subscriber = openRedis(url);
  const commands = new RedisCommands({ redis, logger, ...(monotonic === undefined ? {} : { monotonic }) });
  const sealed = createSealedText(secretKey);
  const prefix = `breakwater:${sealed.keyId}:`;
  return {
    values: new RedisKeyValueStore({ commands, sealed, clock, prefix }),
    messages: new RedisMessages({ commands, subscriber, logger, prefix }),
    get facts() {
      return commands.facts;
    },
    close() {
      redis.disconnect();
      subscriber.disconnect();
    },
  };
}
