import type { Clock } from '../clock.js';
import { isKeepable, type KeyValueStore } from './key-value-store.js';

/** What an in-process store may hold: entries, and UTF-16 units of all keys and values together. */
export interface InProcessLimits {
  readonly maxEntries: number;
  readonly maxLength: number;
}

interface Entry {
  readonly value: string;
  readonly expiresAt: number;
}

const DEFAULT_LIMITS: InProcessLimits = { maxEntries: 10_000, maxLength: 16 * 1024 * 1024 };

/** A KeyValueStore for a single process. When it is full, what was set or read longest ago goes. */
export class InProcessKeyValueStore implements KeyValueStore {
  /** In order of use. */
  readonly #entries = new Map<string, Entry>();
  readonly #limits: InProcessLimits;
  #length = 0;

  constructor(
    private readonly clock: Clock,
    limits: Partial<InProcessLimits> = {},
  ) {
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
  }

  async get(key: string): Promise<string | undefined> {
    const entry = this.#take(key);
    if (entry === undefined || entry.expiresAt <= this.clock.now()) return undefined;
    this.#put(key, entry);
    return entry.value;
  }

  async set(key: string, value: string, lifetimeMs: number): Promise<void> {
    this.#take(key);
    if (!isKeepable(key, value, lifetimeMs)) return;
    this.#put(key, { value, expiresAt: this.clock.now() + lifetimeMs });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limits.maxEntries && this.#length <= this.#limits.maxLength) break;
      this.#take(oldest);
    }
  }

  async delete(key: string): Promise<void> {
    this.#take(key);
  }

  #put(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#length += key.length + entry.value.length;
  }

  #take(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#length -= key.length + entry.value.length;
    return entry;
  }
}
