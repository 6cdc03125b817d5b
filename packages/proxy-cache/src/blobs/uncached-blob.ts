import { type Digest, DigestVerifier, type OpenBlob } from '@breakwater/registry-core';
import { UpstreamError } from '../upstream/upstream-error.js';

export interface UncachedBlobOptions {
  readonly digest: Digest;
  /** Of the whole, in bytes. */
  readonly size: number;
  /** The whole blob from its first byte on. Read no faster than it is asked for. */
  readonly chunks: AsyncGenerator<Buffer, void, undefined>;
  /** Called once, when nothing more is read. */
  readonly onClosed: () => void;
}

/**
 * A blob on its way from the upstream to one client, because there is no disk to keep it on (F110 to F117). It can be read
 * once, forwards. The chunk with the last byte is handed on only when the whole is what its digest says (I1).
 */
export class UncachedBlob implements OpenBlob {
  readonly size: number;
  readonly #options: UncachedBlobOptions;
  readonly #verifier: DigestVerifier;
  #chunk: Buffer = Buffer.alloc(0);
  /** Where in the blob the chunk begins. */
  #begin = 0;
  #closed = false;

  constructor(options: UncachedBlobOptions) {
    this.#options = options;
    this.size = options.size;
    this.#verifier = new DigestVerifier(options.digest);
  }

  /** @throws UpstreamError when it breaks, is not what its digest says, or is read backwards */
  async read(buffer: Uint8Array, position: number): Promise<number> {
    if (position >= this.size) return 0;
    if (position < this.#begin)
      throw new UpstreamError('protocol', 'a blob that is not kept can be read forwards only');
    while (position >= this.#begin + this.#chunk.byteLength) await this.#next();
    const from = position - this.#begin;
    const bytes = Math.min(buffer.byteLength, this.#chunk.byteLength - from);
    buffer.set(this.#chunk.subarray(from, from + bytes));
    return bytes;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.onClosed();
    await this.#options.chunks.return(undefined);
  }

  async #next(): Promise<void> {
    this.#begin += this.#chunk.byteLength;
    this.#chunk = Buffer.alloc(0);
    const { value, done } = await this.#options.chunks.next();
    if (done === true || value === undefined) {
      throw new UpstreamError('connect', 'the upstream stopped before the end');
    }
    this.#verifier.update(value);
    if (this.#verifier.bytes >= this.size && !this.#verifier.verify(this.size)) {
      throw new UpstreamError('integrity', 'the upstream sent a blob that does not match its digest');
    }
    this.#chunk = value;
  }
}
