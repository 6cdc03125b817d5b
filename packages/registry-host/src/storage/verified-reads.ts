import { type Clock, DigestVerifier, type OpenBlob } from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';
import type { BlobGeneration } from './ports.js';
import { storageError } from './storage-error.js';

/** How long a file that was read and found right is taken for right by readers, ms. Beyond that there is the scrub. */
const TRUSTED_MS = 60 * 60_000;
const REMEMBERED_FILES = 100_000;
/** Up to this size a blob is read once before anything of it is sent, bytes: then damage is a miss and no cut answer. */
const READ_AHEAD_BYTES = 1024 * 1024;

/**
 * Hashes stored blobs while they are read (F121). The first whole read of a file, and the first after an hour, is hashed;
 * every other one costs nothing. Of readers that come at once one hashes, so a rush on a blob is not slowed by it.
 */
export class VerifiedReads {
  readonly #monotonic: Clock;
  readonly #verifiedAt = new LRUCache<string, number>({ max: REMEMBERED_FILES });
  readonly #verifying = new Set<string>();

  constructor(monotonic: Clock) {
    this.#monotonic = monotonic;
  }

  /** The file was written, or hashed, just now. */
  trust(blob: Pick<BlobGeneration, 'generation'>): void {
    this.#verifiedAt.set(blob.generation, this.#monotonic.now());
  }

  /**
   * The same blob, hashed if that is due; `undefined` when it is small and wrong, and then it is closed. Of a larger one
   * that is wrong the last bytes are withheld: its read fails, after `onWrong`.
   */
  async open(opened: OpenBlob, blob: BlobGeneration, onWrong: () => Promise<void>): Promise<OpenBlob | undefined> {
    const { generation } = blob;
    const at = this.#verifiedAt.get(generation);
    if (at !== undefined && this.#monotonic.now() - at < TRUSTED_MS) return opened;
    if (blob.size <= READ_AHEAD_BYTES) return this.#readAhead(opened, blob);
    if (this.#verifying.has(generation)) return opened;
    this.#verifying.add(generation);
    const end = () => this.#verifying.delete(generation);
    return new VerifyingBlob(opened, new DigestVerifier(blob.digest), async (isRight) => {
      end();
      if (isRight === true) this.trust(blob);
      if (isRight === false) await onWrong();
    });
  }

  async #readAhead(opened: OpenBlob, blob: BlobGeneration): Promise<OpenBlob | undefined> {
    const verifier = new DigestVerifier(blob.digest);
    try {
      const buffer = Buffer.allocUnsafe(blob.size);
      while (verifier.bytes < blob.size) {
        const bytes = await opened.read(buffer, verifier.bytes);
        if (bytes === 0) break;
        verifier.update(buffer.subarray(0, bytes));
      }
    } catch (error) {
      await opened.close();
      throw error;
    }
    if (verifier.verify(blob.size)) {
      this.trust(blob);
      return opened;
    }
    await opened.close();
    return undefined;
  }
}

/** Hashes what is read from the beginning to the end in order; any other way of reading it is only passed on. */
class VerifyingBlob implements OpenBlob {
  readonly size: number;
  #verifier: DigestVerifier | undefined;

  /** @param end told once: whether the blob is right, or `undefined` when it was not read whole */
  constructor(
    private readonly opened: OpenBlob,
    verifier: DigestVerifier,
    private readonly end: (isRight: boolean | undefined) => Promise<void>,
  ) {
    this.size = opened.size;
    this.#verifier = verifier;
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    const bytes = await this.opened.read(buffer, position);
    const verifier = this.#verifier;
    if (verifier === undefined) return bytes;
    if (position !== verifier.bytes) {
      await this.#end(undefined);
      return bytes;
    }
    verifier.update(buffer.subarray(0, bytes));
    if (bytes > 0 && verifier.bytes < this.size) return bytes;
    const isRight = verifier.verify(this.size);
    await this.#end(isRight);
    if (!isRight) throw storageError('CONTENT_DAMAGED', 'the stored blob is not what its digest says');
    return bytes;
  }

  async close(): Promise<void> {
    await this.#end(undefined);
    await this.opened.close();
  }

  async #end(isRight: boolean | undefined): Promise<void> {
    if (this.#verifier === undefined) return;
    this.#verifier = undefined;
    await this.end(isRight);
  }
}
