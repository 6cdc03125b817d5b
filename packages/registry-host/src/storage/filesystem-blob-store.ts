import { randomBytes } from 'node:crypto';
import type { EventEmitter } from 'node:events';
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
import { checkBlob } from './check-blob.js';
import type { BlobDamages, BlobGeneration, BlobLinks, Damage, FoundBy, RecordedBlob } from './ports.js';
import { errorCode, storageError } from './storage-error.js';
import type { StorageEvents } from './storage-events.js';
import type { StoreMark } from './store-mark.js';
import { VerifiedReads } from './verified-reads.js';

/** How long a look-up is taken for true without asking, ms: the longest that a removed link stays readable. */
const REMEMBERED_MS = 1_000;
const REMEMBERED_LOOKUPS = 10_000;
/** Imports of one digest that got in each other's way before one gives up. */
const IMPORT_ATTEMPTS = 5;

interface Remembered {
  readonly blob: RecordedBlob;
  /** By the monotonic clock, ms. */
  readonly at: number;
}

export interface FilesystemBlobStoreOptions {
  readonly files: BlobFiles;
  readonly mark: StoreMark;
  readonly rows: BlobLinks & BlobDamages;
  readonly events: EventEmitter<StorageEvents>;
  readonly logger: Logger;
  /** A clock that never goes back; its zero means nothing. Default the process's own. */
  readonly monotonic?: Clock;
}

/**
 * Blobs as files, with their links and generations in the database.
 *
 * A hot pull asks no database: a look-up is remembered for a second, and for as long as the database does not answer,
 * since a file that can be opened under its generation is that content whatever happened meanwhile.
 *
 * A blob that is missing, of a wrong size, unreadable or not what its digest says is marked and not served again. In a
 * proxied repository it is then a miss, because the upstream has it; in a hosted one nobody has it, and that is a failure
 * of the store and not a 404. The next import of the digest makes a new generation.
 */
export class FilesystemBlobStore implements BlobStore {
  readonly #files: BlobFiles;
  readonly #mark: StoreMark;
  readonly #rows: BlobLinks & BlobDamages;
  readonly #events: EventEmitter<StorageEvents>;
  readonly #logger: Logger;
  readonly #monotonic: Clock;
  readonly #verified: VerifiedReads;
  readonly #lookups = new LRUCache<string, Remembered>({ max: REMEMBERED_LOOKUPS });

  constructor(options: FilesystemBlobStoreOptions) {
    this.#files = options.files;
    this.#mark = options.mark;
    this.#rows = options.rows;
    this.#events = options.events;
    this.#logger = options.logger;
    this.#monotonic = options.monotonic ?? { now: () => performance.now() };
    this.#verified = new VerifiedReads(this.#monotonic);
  }

  /**
   * @throws RegistryError UNAVAILABLE (detail.reason "storage", detail.problem "STORE_UNMOUNTED", "STORE_FAILED",
   * "STORE_STALLED", or "CONTENT_DAMAGED" in a hosted repository)
   * @throws RegistryError UNAVAILABLE (detail.reason "database", or "overload" without a free descriptor)
   */
  async open(repository: Repository, digest: Digest): Promise<OpenBlob | undefined> {
    try {
      return await this.#open(repository, digest);
    } catch (error) {
      this.#tellFailure('open', error);
      throw error;
    }
  }

  async #open(repository: Repository, digest: Digest): Promise<OpenBlob | undefined> {
    const key = `${repositoryKey(repository)}\n${digest}`;
    const remembered = this.#lookups.get(key);
    // A hosted blob can be deleted by those who pushed it, and is gone at once then.
    const isCached = repository.upstream !== undefined;
    if (isCached && remembered !== undefined && this.#monotonic.now() - remembered.at < REMEMBERED_MS) {
      const open = await this.#openWhole(remembered.blob, key);
      if (typeof open === 'object') return open;
    }
    const blob = await this.#lookUp(repository, digest, key, remembered);
    if (blob === undefined) return undefined;
    const open = await this.#openWhole(blob, key);
    if (typeof open === 'object') return open;
    this.#lookups.delete(key);
    // A store that is not there is a failure of ours and says nothing about this file.
    await this.#mark.check();
    if (blob.damage === undefined) await this.#report(blob, open, 'read');
    if (repository.upstream !== undefined) return undefined;
    throw storageError('CONTENT_DAMAGED', `the stored blob is damaged (${open}) and has to be pushed again`);
  }

  /** The blob, or what is wrong with it. */
  async #openWhole(blob: RecordedBlob, key: string): Promise<OpenBlob | Damage> {
    if (blob.damage !== undefined) return blob.damage;
    // Found while it is being read: whoever reads it is cut off, and the next one is answered as for any damaged blob.
    const found = async (damage: Damage) => {
      this.#lookups.delete(key);
      await this.#report(blob, damage, 'read');
    };
    const open = await this.#files.open(blob, () => found('unreadable'));
    if (typeof open !== 'object') return open;
    const checks = {
      check: async () => (await checkBlob(this.#files, blob, async () => {})) === undefined,
      onWrong: () => found('content'),
    };
    return (await this.#verified.open(open, blob, checks)) ?? 'content';
  }

  /**
   * @throws RegistryError UNAVAILABLE (detail.reason "storage", detail.problem "STORE_UNMOUNTED" or "STORE_FAILED"); the
   * file is then at its path again, if that worked
   * @throws RegistryError UNAVAILABLE (detail.reason "database", or "overload" without a free descriptor); likewise
   */
  async import(repository: Repository, digest: Digest, file: string): Promise<void> {
    try {
      await this.#import(repository, digest, file);
    } catch (error) {
      this.#tellFailure('import', error);
      throw error;
    }
  }

  async #import(repository: Repository, digest: Digest, file: string): Promise<void> {
    await this.#mark.check();
    const size = await this.#files.size(file);
    if (size === undefined) throw storageError('STORE_FAILED', 'the file to import is not there');
    for (let attempt = 1; attempt <= IMPORT_ATTEMPTS; attempt += 1) {
      const live = await this.#rows.live(digest);
      if (live !== undefined && (await this.#isWhole(live, size))) {
        if (!(await this.#rows.link(repository, live))) continue;
        await this.#files.discard(file);
        return;
      }
      if (!(await this.#publish(repository, { digest, size }, file, live))) continue;
      if (live !== undefined) this.#events.emit('repaired', { kind: 'blob', digest });
      return;
    }
    throw storageError('STORE_FAILED', 'storing a blob failed: others stored and removed it at the same time');
  }

  /** Whether a live blob can stand for the file that is to be imported. What is wrong with it is noted. */
  async #isWhole(live: RecordedBlob, size: number): Promise<boolean> {
    if (live.damage !== undefined) return false;
    // The file to import is verified: a row with another size is wrong itself.
    const damage = live.size === size ? await this.#files.inspect(live) : 'size';
    if (damage !== undefined) await this.#report(live, damage, 'import');
    return damage === undefined;
  }

  /** w4 to w6; false, with the file at its path again, when another import was faster. */
  async #publish(
    repository: Repository,
    { digest, size }: Pick<BlobGeneration, 'digest' | 'size'>,
    file: string,
    replaces: RecordedBlob | undefined,
  ): Promise<boolean> {
    const blob = { digest, generation: randomBytes(16).toString('hex'), size };
    let published = false;
    try {
      await this.#files.take(file, blob);
      published = await this.#rows.publish(repository, blob, replaces?.generation);
    } finally {
      // After a lost answer this may take a live blob's file away. Then it is missing, and the next import replaces it.
      if (!published) await this.#files.giveBack(blob, file);
    }
    if (published) this.#verified.trust(blob);
    return published;
  }

  async #lookUp(
    repository: Repository,
    digest: Digest,
    key: string,
    remembered: Remembered | undefined,
  ): Promise<RecordedBlob | undefined> {
    const at = this.#monotonic.now();
    try {
      const blob = await this.#rows.linked(repository, digest);
      if (blob === undefined) this.#lookups.delete(key);
      else this.#lookups.set(key, { blob, at });
      return blob;
    } catch (error) {
      if (remembered !== undefined && isRegistryError(error) && error.code === 'UNAVAILABLE') return remembered.blob;
      throw error;
    }
  }

  /** Never rejects: without its note the blob is found damaged again. */
  async #report(blob: BlobGeneration, damage: Damage, foundBy: FoundBy): Promise<void> {
    const { digest, generation } = blob;
    try {
      if (!(await this.#rows.report(blob, damage))) return;
      this.#events.emit('damaged', { kind: 'blob', digest, damage, foundBy });
      this.#logger.warn({ digest, generation, damage, found_by: foundBy }, 'a stored blob is damaged');
    } catch (error) {
      this.#logger.warn(
        { digest, generation, damage, err: error },
        'a stored blob is damaged, which could not be noted',
      );
    }
  }

  #tellFailure(doing: 'open' | 'import', error: unknown): void {
    if (!isRegistryError(error) || error.detail?.['reason'] === 'database') return;
    const code = errorCode(error.cause);
    this.#events.emit('failed', { doing, code: code === '' ? String(error.detail?.['problem'] ?? '') : code });
  }
}
