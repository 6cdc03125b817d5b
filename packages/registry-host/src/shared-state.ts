import {
  type Clock,
  InProcessKeyValueStore,
  InProcessMessages,
  type KeyValueStore,
  type Logger,
  type Messages,
} from '@breakwater/registry-core';
import { openRedisState } from './redis/open-redis-state.js';
import type { RedisFacts } from './redis/redis-commands.js';

export interface SharedStateOptions {
  /** `undefined` = everything stays in this process. */
  readonly redisUrl: string | undefined;
  readonly secretKey: Uint8Array;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What this process shares with the others of its cluster, beside the database and the blobs. Nothing depends on it. */
export interface SharedState {
  readonly values: KeyValueStore;
  readonly messages: Messages;
  /** `undefined` without a Redis. */
  readonly redis: RedisFacts | undefined;
  close(): void;
}

/** In Redis if there is one, else in this process. */
export function openSharedState({ redisUrl, secretKey, clock, logger }: SharedStateOptions): SharedState {
  if (redisUrl !== undefined) {
    const state = openRedisState({ url: redisUrl, secretKey, clock, logger });
    return {
      values: state.values,
      messages: state.messages,
      get redis() {
        return state.facts;
      },
      close: () => state.close(),
    };
  }
  const messages = new InProcessMessages();
  return { values: new InProcessKeyValueStore(clock), messages, redis: undefined, close: () => undefined };
}
