import { randomBytes } from 'node:crypto';
import {
  type BlobStore,
  type Clock,
  type Digest,
  isRegistryError,
  type Logger,
  type OpenBlob,
  type Repository,
  repositoryKey,
} from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';
import type { BlobFiles } from './blob-files.js';
import type { BlobGeneration, BlobLinks } from './ports.js';
import { storageError } from './storage-error.js';
import type { StoreMark } from './store-mark.js';

/** How long a look-up is taken for true without asking, ms: the longest that a removed link stays readable. */
const REMEMBERED_MS = 1_000;
const REMEMBERED_LOOKUPS = 10_000;
/** Imports of one digest that got in each other's way before one gives up. */
const IMPORT_ATTEMPTS = 5;

interface Remembered {
  readonly blob: BlobGeneration;
  /** By the monotonic clock, ms. */
  readonly at: number;
}

export interface FilesystemBlobStoreOptions {
  readonly files: BlobFiles;
  readonly mark: StoreMark;
  readonly links: BlobLinks;
  readonly logger: Logger;
  /** A clock that never goes back; its zero means nothing. Default the process's own. */
  readonly monotonic?: Clock;
}

/**
 * Blobs as files, with their links and generations in the database.
 *
 * A hot pull asks no database: a look-up is remembered for a second, and for as long as the database does not answer,
 * since a file that can be opened under its generation is that content whatever happened meanwhile.
 */
export class FilesystemBlobStore implements BlobStore {
  readonly #files: BlobFiles;
  readonly #mark: StoreMark;
  readonly #links: BlobLinks;
  readonly #logger: Logger;
  readonly #monotonic: Clock;
  readonly #lookups = new LRUCache<string, Remembered>({ max: REMEMBERED_LOOKUPS });

  constructor(options: FilesystemBlobStoreOptions) {
    this.#files = options.files;
    this.#mark = options.mark;
    this.#links = options.links;
    this.#logger = options.logger;
    this.#monotonic = options.monotonic ?? { now: () => performance.now() };
  }

  /**
   * @throws RegistryError UNAVAILABLE (detail.reason "storage", detail.problem "STORE_UNMOUNTED" or "STORE_FAILED")
   * @throws RegistryError UNAVAILABLE (detail.reason "database")
   */
  async open(repository: Repository, digest: Digest): Promise<OpenBlob | undefined> {
    const key = `${repositoryKey(repository)}\n${digest}`;
    const remembered = this.#lookups.get(key);
    if (remembered !== undefined && this.#monotonic.now() - remembered.at < REMEMBERED_MS) {
      const open = await this.#files.open(remembered.blob);
      if (open !== undefined) return open;
    }
    const blob = await this.#lookUp(repository, digest, key, remembered);
    if (blob === undefined) return undefined;
    const open = await this.#files.open(blob);
    if (open !== undefined) return open;
    this.#lookups.delete(key);
    // A store that is not there is a failure of ours. A single file that is missing is fetched again and replaced.
    await this.#mark.check();
    this.#logger.warn({ digest, generation: blob.generation }, 'a stored blob is missing or has a wrong size');
    return undefined;
  }

  /**
   * @throws RegistryError UNAVAILABLE (detail.reason "storage", detail.problem "STORE_UNMOUNTED" or "STORE_FAILED")
   * @throws RegistryError UNAVAILABLE (detail.reason "database"); the file is then at its path again, if that worked
   */
  async import(repository: Repository, digest: Digest, file: string): Promise<void> {
    await this.#mark.check();
    const size = await this.#files.size(file);
    if (size === undefined) throw storageError('STORE_FAILED', 'the file to import is not there');
    for (let attempt = 1; attempt <= IMPORT_ATTEMPTS; attempt += 1) {
      const live = await this.#links.live(digest);
      if (live !== undefined && live.size === size && (await this.#files.has(live))) {
        if (!(await this.#links.link(repository, live))) continue;
        await this.#files.discard(file);
        return;
      }
      if (await this.#publish(repository, digest, size, file, live?.generation)) return;
    }
    throw storageError('STORE_FAILED', 'storing a blob failed: others stored and removed it at the same time');
  }

  /** w4 to w6; false, with the file at its path again, when another import was faster. */
  async #publish(
    repository: Repository,
    digest: Digest,
    size: number,
    file: string,
    replaces: string | undefined,
  ): Promise<boolean> {
    const blob = { digest, generation: randomBytes(16).toString('hex'), size };
    await this.#files.take(file, blob);
    let published = false;
    try {
      published = await this.#links.publish(repository, blob, replaces);
    } finally {
      // After a lost answer this may take a live blob's file away. Then it is missing, and the next import replaces it.
      if (!published) await this.#files.giveBack(blob, file);
    }
    return published;
  }

  async #lookUp(
    repository: Repository,
    digest: Digest,
    key: string,
    remembered: Remembered | undefined,
  ): Promise<BlobGeneration | undefined> {
    const at = this.#monotonic.now();
    try {
      const blob = await this.#links.linked(repository, digest);
      if (blob === undefined) this.#lookups.delete(key);
      else this.#lookups.set(key, { blob, at });
      return blob;
    } catch (error) {
      if (remembered !== undefined && isRegistryError(error) && error.code === 'UNAVAILABLE') return remembered.blob;
      throw error;
    }
  }
}
