import { type Clock, DigestVerifier, type OpenBlob } from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';
import type { BlobGeneration } from './ports.js';
import { storageError } from './storage-error.js';

/** How long a file that was read and found right is taken for right by readers, ms. Beyond that there is the scrub. */
const TRUSTED_MS = 60 * 60_000;
const REMEMBERED_FILES = 100_000;
/** Up to this size a blob is read once before anything of it is sent, bytes: then damage is a miss and no cut answer. */
const READ_AHEAD_BYTES = 1024 * 1024;

/** What a check of a whole blob needs besides its bytes. */
export interface ReadChecks {
  /** Reads the whole file once more; resolves to whether it is right. */
  readonly check: () => Promise<boolean>;
  /** Told, and waited for, when it is not. */
  readonly onWrong: () => Promise<void>;
}

/**
 * Hashes stored blobs while they are read (F121). The first whole read of a file, and the first after an hour, is hashed;
 * every other one costs nothing. Of readers that come at once one hashes on its way; who gets to the end before it has the
 * file read once for all that wait there. Ranges are not hashed: who reads a part can tell nothing of the whole.
 */
export class VerifiedReads {
  readonly #monotonic: Clock;
  readonly #verifiedAt = new LRUCache<string, number>({ max: REMEMBERED_FILES });
  readonly #hashing = new Set<string>();
  readonly #checks = new Map<string, Promise<boolean>>();

  constructor(monotonic: Clock) {
    this.#monotonic = monotonic;
  }

  /** The file was written, or hashed, just now. */
  trust({ generation }: Pick<BlobGeneration, 'generation'>): void {
    this.#verifiedAt.set(generation, this.#monotonic.now());
  }

  /**
   * The same blob, hashed if that is due; `undefined` when it is small and wrong, and then it is closed. Of a larger one
   * that is wrong the last bytes are withheld: its read fails, after `onWrong`.
   */
  async open(opened: OpenBlob, blob: BlobGeneration, checks: ReadChecks): Promise<OpenBlob | undefined> {
    if (this.#isTrusted(blob)) return opened;
    if (blob.size <= READ_AHEAD_BYTES) return this.#readAhead(opened, blob);
    return new VerifyingBlob(opened, {
      takeHash: () => this.#takeHash(blob),
      giveUp: () => this.#hashing.delete(blob.generation),
      isRight: (hash) => this.#isRight(blob, hash, checks),
    });
  }

  #isTrusted({ generation }: BlobGeneration): boolean {
    const at = this.#verifiedAt.get(generation);
    return at !== undefined && this.#monotonic.now() - at < TRUSTED_MS;
  }

  /** A hash for the one reader that hashes. */
  #takeHash({ digest, generation }: BlobGeneration): DigestVerifier | undefined {
    if (this.#hashing.has(generation)) return undefined;
    this.#hashing.add(generation);
    return new DigestVerifier(digest);
  }

  async #isRight(blob: BlobGeneration, hash: DigestVerifier | undefined, checks: ReadChecks): Promise<boolean> {
    if (hash !== undefined) this.#hashing.delete(blob.generation);
    else if (this.#isTrusted(blob)) return true;
    const isRight = hash === undefined ? await this.#check(blob, checks) : hash.verify(blob.size);
    if (isRight) this.trust(blob);
    else await checks.onWrong();
    return isRight;
  }

  #check({ generation }: BlobGeneration, { check }: ReadChecks): Promise<boolean> {
    const running = this.#checks.get(generation);
    if (running !== undefined) return running;
    const checking = check().finally(() => this.#checks.delete(generation));
    this.#checks.set(generation, checking);
    return checking;
  }

  async #readAhead(opened: OpenBlob, blob: BlobGeneration): Promise<OpenBlob | undefined> {
    const hash = new DigestVerifier(blob.digest);
    try {
      const buffer = Buffer.allocUnsafe(blob.size);
      while (hash.bytes < blob.size) {
        const bytes = await opened.read(buffer, hash.bytes);
        if (bytes === 0) break;
        hash.update(buffer.subarray(0, bytes));
      }
    } catch (error) {
      await opened.close();
      throw error;
    }
    if (hash.verify(blob.size)) {
      this.trust(blob);
      return opened;
    }
    await opened.close();
    return undefined;
  }
}

interface Verification {
  /** A hash for this reader, unless another one hashes. */
  readonly takeHash: () => DigestVerifier | undefined;
  /** This reader hashes no more. */
  readonly giveUp: () => void;
  /** Whether the blob is right, by the hash of this reader if it has one. */
  readonly isRight: (hash: DigestVerifier | undefined) => Promise<boolean>;
}

/** Verifies what is read from the beginning to the end in order; any other way of reading it is only passed on. */
class VerifyingBlob implements OpenBlob {
  readonly size: number;
  /** Where a reader that reads everything reads next; `undefined` for one that does not, or is done. */
  #next: number | undefined = 0;
  #hash: DigestVerifier | undefined;

  constructor(
    private readonly opened: OpenBlob,
    private readonly verification: Verification,
  ) {
    this.size = opened.size;
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    // Only now: who opens a blob to look at its size reads nothing, and must not keep others from hashing.
    if (this.#next === 0 && position === 0) this.#hash = this.verification.takeHash();
    const bytes = await this.opened.read(buffer, position);
    if (this.#next === undefined) return bytes;
    if (position !== this.#next) {
      this.#stop();
      return bytes;
    }
    this.#next += bytes;
    this.#hash?.update(buffer.subarray(0, bytes));
    if (bytes > 0 && this.#next < this.size) return bytes;
    this.#next = undefined;
    const hash = this.#hash;
    this.#hash = undefined;
    if (await this.verification.isRight(hash)) return bytes;
    throw storageError('CONTENT_DAMAGED', 'the stored blob is not what its digest says');
  }

  async close(): Promise<void> {
    this.#stop();
    await this.opened.close();
  }

  #stop(): void {
    this.#next = undefined;
    if (this.#hash !== undefined) this.verification.giveUp();
    this.#hash = undefined;
  }
}
