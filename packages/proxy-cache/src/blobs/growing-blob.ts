import type { OpenBlob } from '@breakwater/registry-core';
import type { SpoolFile } from './spool-file.js';

/**
 * A blob that is on its way, as its readers in this process see it. They take the bytes from its file, each at its own
 * pace; none of them has anything to do with who fills the file, which may be another process, and another one later.
 *
 * The last byte is withheld until the whole is verified, so that nobody ever holds a complete wrong blob (I1).
 */
export class GrowingBlob {
  readonly #waiting = new Set<() => void>();
  #file: SpoolFile | undefined;
  #users = 1;
  #available = 0;
  #size: number | undefined;
  #failure: { readonly error: unknown } | undefined;
  #verified = false;
  #retired = false;

  /** Whether a reader waits for more bytes than there are. */
  get isAwaited(): boolean {
    return this.#waiting.size > 0;
  }

  /** The file that its bytes are in from now on. The one before is closed. */
  async attach(file: SpoolFile, available: number): Promise<void> {
    const before = this.#file;
    this.#file = file;
    this.#available = available;
    this.#wake();
    await before?.close();
  }

  /** Its size in bytes, from whoever promised it. */
  announce(size: number): void {
    // An announced nothing has no last byte to withhold: it counts once it is verified, or a client would have it whole.
    if (size === 0 || this.#size === size) return;
    this.#size = size;
    this.#wake();
  }

  /** So many bytes are in the file. */
  grow(available: number): void {
    if (available <= this.#available) return;
    this.#available = available;
    this.#wake();
  }

  /** The whole is there, and is what its digest says. */
  complete(size: number): void {
    this.#size = size;
    this.#available = size;
    this.#verified = true;
    this.#wake();
  }

  /** No more bytes come. Every reader meets this failure, after the bytes that are there. */
  fail(error: unknown): void {
    if (this.#verified) return;
    this.#failure ??= { error };
    this.#wake();
  }

  /** The blob is in the store: nobody begins to read it here any more. */
  retire(): void {
    this.#retired = true;
    this.#wake();
  }

  /** Resolves once the size is known: as a rule with the upstream's headers, else at the end. `undefined` once retired. */
  async size(): Promise<number | undefined> {
    for (;;) {
      if (this.#retired) return undefined;
      if (this.#size !== undefined) return this.#size;
      if (this.#failure !== undefined) throw this.#failure.error;
      await this.#news();
    }
  }

  /**
   * Opens the blob for one more reader once its size is known. `undefined` when it is over: then it is in the store, or may
   * be fetched anew.
   */
  async reader(): Promise<OpenBlob | undefined> {
    if (this.#users === 0) return undefined;
    this.#users += 1;
    let closed = false;
    const close = async () => {
      if (closed) return;
      closed = true;
      await this.release();
    };
    try {
      const size = await this.size();
      if (size !== undefined) return { size, read: (buffer, position) => this.#read(buffer, position), close };
      await close();
      return undefined;
    } catch (error) {
      await close();
      throw error;
    }
  }

  /** The last one to release it closes the file. Whoever made it counts as one. */
  async release(): Promise<void> {
    this.#users -= 1;
    if (this.#users === 0) await this.#file?.close();
  }

  async #read(buffer: Uint8Array, position: number): Promise<number> {
    for (;;) {
      const readable = this.#readable() - position;
      if (readable > 0 && this.#file !== undefined) {
        return this.#file.read(buffer, Math.min(buffer.byteLength, readable), position);
      }
      if (this.#verified) return 0;
      if (this.#failure !== undefined) throw this.#failure.error;
      await this.#news();
    }
  }

  /** How many bytes may be read now. */
  #readable(): number {
    return this.#verified ? this.#available : Math.min(this.#available, this.#size ?? this.#available) - 1;
  }

  #news(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const go of waiting) go();
  }
}
