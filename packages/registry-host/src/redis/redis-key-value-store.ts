import { type Clock, isKeepable, type KeyValueStore, MAX_SHARED_KEY_LENGTH } from '@breakwater/registry-core';
import { z } from 'zod';
import type { RedisCommands } from './redis-commands.js';
import type { SealedText } from './sealed-text.js';

export interface RedisKeyValueStoreOptions {
  readonly commands: RedisCommands;
  readonly sealed: SealedText;
  /** Lifetimes are measured with it, by all processes alike; Redis's own time only frees its memory. */
  readonly clock: Clock;
  /** What the names of all keys begin with. */
  readonly prefix: string;
}

/** Above what the longest value comes to when it is sealed. Nothing longer is read, however long it is in Redis. */
const MAX_SEALED_LENGTH = 1024 * 1024;

const entrySchema = z.strictObject({ value: z.string(), expiresAt: z.number() });

/** A KeyValueStore in Redis. Values are encrypted; what we have not put there ourselves is a miss (S31). */
export class RedisKeyValueStore implements KeyValueStore {
  readonly #options: RedisKeyValueStoreOptions;

  constructor(options: RedisKeyValueStoreOptions) {
    this.#options = options;
  }

  async get(key: string): Promise<string | undefined> {
    if (key.length > MAX_SHARED_KEY_LENGTH) return undefined;
    const { commands, sealed, clock } = this.#options;
    const name = this.#name(key);
    const text = await commands.run((redis) => redis.getrange(name, 0, MAX_SEALED_LENGTH));
    if (typeof text !== 'string') return undefined;
    const entry = parseEntry(sealed.open(name, text));
    return entry !== undefined && entry.expiresAt > clock.now() ? entry.value : undefined;
  }

  async set(key: string, value: string, lifetimeMs: number): Promise<void> {
    if (!isKeepable(key, value, lifetimeMs)) return this.delete(key);
    const { commands, sealed, clock } = this.#options;
    const name = this.#name(key);
    const text = sealed.seal(name, JSON.stringify({ value, expiresAt: clock.now() + lifetimeMs }));
    await commands.run((redis) => redis.set(name, text, 'PX', Math.ceil(lifetimeMs)));
  }

  async delete(key: string): Promise<void> {
    if (key.length > MAX_SHARED_KEY_LENGTH) return;
    await this.#options.commands.run((redis) => redis.del(this.#name(key)));
  }

  #name(key: string): string {
    return `${this.#options.prefix}value:${key}`;
  }
}

function parseEntry(text: string | undefined): z.output<typeof entrySchema> | undefined {
  if (text === undefined) return undefined;
  try {
    return entrySchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
