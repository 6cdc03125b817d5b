import {
  type Clock,
  type ContentUse,
  type Digest,
  type Logger,
  type Repository,
  repositoryKey,
} from '@breakwater/registry-core';
import { bounded } from './bounded.js';
import { errorClass, errorMessage } from './errors.js';

/** Uses noted in memory are written this often, ms. The margin of the collector is twice as long. */
const WRITE_INTERVAL_MS = 5000;
/** The longest that a pull waits for its lease to be written, ms. */
const WRITE_WAIT_MS = 200;
/** Manifests whose lease is remembered; the least recently used are forgotten, and cost one write when they come back. */
const CAPACITY = 10_000;
/** Uses written in one batch. */
const WRITE_BATCH = 500;

interface Use {
  readonly repository: Repository;
  readonly digest: Digest;
  /** ms since the epoch */
  readonly at: number;
}

/** What the notes are made of. */
export interface UseNotesOptions {
  readonly use: ContentUse;
  readonly clock: Clock;
  readonly graceMs: number;
  readonly logger: Logger;
}

/**
 * Renews the leases of manifests as they are pulled, mostly in memory: a lease that was written less than half of the
 * grace ago is noted and written later in a batch; any other is written before the pull is answered, because a
 * collector in another process knows nothing of this memory. A pull never fails, and hardly waits, for it.
 */
export class UseNotes {
  readonly #options: UseNotesOptions;
  /** When the lease was last written, least recently used first. */
  readonly #written = new Map<string, number>();
  readonly #unwritten = new Map<string, Use>();
  readonly #writing = new Map<string, Promise<void>>();
  #flushing: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #waitAgainAt = Number.NEGATIVE_INFINITY;

  constructor(options: UseNotesOptions) {
    this.#options = options;
  }

  /** Notes a pull. A promise is to be waited for before the answer; it never rejects. */
  note(repository: Repository, digest: Digest): Promise<void> | undefined {
    const now = this.#options.clock.now();
    const key = `${repositoryKey(repository)}\n${digest}`;
    const use: Use = { repository, digest, at: now };
    remember(this.#unwritten, key, use);
    this.#flushLater();
    const writtenAt = this.#written.get(key);
    if (writtenAt !== undefined && Math.abs(now - writtenAt) < this.#options.graceMs / 2) {
      remember(this.#written, key, writtenAt);
      return undefined;
    }
    // While the store does not take notes every pull would wait in vain; the batch tries again soon enough.
    if (now < this.#waitAgainAt) return undefined;
    return this.#writeNow(key, use);
  }

  /** Writes what is noted. Rejects when that fails; the notes are kept. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.catch(() => {}).then(() => this.#flushNow());
    return this.#flushing;
  }

  /** Writes what is noted, as far as that can be done within the write interval, and leaves no timer behind. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await bounded(this.flush(), WRITE_INTERVAL_MS, 'writing the last uses').catch((error) => this.#failed(error));
  }

  #writeNow(key: string, use: Use): Promise<void> {
    let writing = this.#writing.get(key);
    if (writing === undefined) {
      const write = this.#write([[key, use]]).finally(() => this.#writing.delete(key));
      writing = bounded(write, WRITE_WAIT_MS, 'writing a lease').catch((error) => this.#failed(error));
      this.#writing.set(key, writing);
    }
    return writing;
  }

  async #flushNow(): Promise<void> {
    const uses = [...this.#unwritten];
    for (let start = 0; start < uses.length; start += WRITE_BATCH) {
      await this.#write(uses.slice(start, start + WRITE_BATCH));
    }
  }

  async #write(uses: readonly (readonly [string, Use])[]): Promise<void> {
    const at = uses.reduce((latest, [, use]) => Math.max(latest, use.at), Number.NEGATIVE_INFINITY);
    const linked = await this.#options.use.touch(
      uses.map(([, { repository, digest }]) => ({ repository, digest })),
      at,
    );
    for (const [index, [key, use]] of uses.entries()) {
      if (linked[index] === true) remember(this.#written, key, at);
      else this.#written.delete(key);
      // A later use of the same manifest stays noted.
      if (this.#unwritten.get(key) === use) this.#unwritten.delete(key);
    }
  }

  #flushLater(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.flush().catch((error) => {
        this.#failed(error);
        this.#flushLater();
      });
    }, WRITE_INTERVAL_MS);
    this.#timer.unref();
  }

  #failed(error: unknown): void {
    this.#waitAgainAt = this.#options.clock.now() + WRITE_INTERVAL_MS;
    this.#options.logger.warn(
      { code: errorClass(error), error: errorMessage(error) },
      'the lease of a pull was not written',
    );
  }
}

/** Puts an entry last, and forgets the first one when there are too many. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= CAPACITY) return;
  const oldest = map.keys().next();
  if (oldest.done !== true) map.delete(oldest.value);
}
