import type { OpenBlob } from '@breakwater/registry-core';

/** Where the bytes of a growing blob are read from: its file in the spool, or what the store has of it. */
export interface BlobSource {
  /** Reads into the buffer, at most `bytes`. Resolves to how many they were. */
  read(buffer: Uint8Array, bytes: number, position: number): Promise<number>;
  close(): Promise<void>;
}

/** So many readers that wait are told of every packet; more of them only every few milliseconds, of several at once. */
const FEW_READERS = 4;
const TELL_EVERY_MS = 10;

/** Four writes, in bytes: most readers are behind by less, and a download holds little more for it. */
const KEPT_BYTES = 1024 * 1024;

/** A chunk that has arrived, and where it belongs. */
interface HeldChunk {
  readonly at: number;
  readonly bytes: Buffer;
}

/**
 * A blob that is on its way, as its readers in this process see it. They take the bytes from its file, each at its own
 * pace, and the newest from memory, where they are on their way into the file: so readers who keep up wait for the
 * network and not for the disk. None of them has anything to do with who fills the file, which may be another process.
 *
 * The last byte is withheld until the whole is verified, so that nobody ever holds a complete wrong blob (I1).
 */
export class GrowingBlob {
  readonly #waiting = new Set<() => void>();
  #source: BlobSource | undefined;
  #users = 1;
  #inFile = 0;
  #held: HeldChunk[] = [];
  #size: number | undefined;
  #failure: { readonly error: unknown } | undefined;
  #verified = false;
  #retired = false;
  #telling: NodeJS.Timeout | undefined;

  /** @param keptBytes how much of what is in the file is kept in memory as well, for readers that are a little behind */
  constructor(private readonly keptBytes = KEPT_BYTES) {}

  /** The file that its bytes are in from now on. The one before is closed. */
  async attach(source: BlobSource, inFile: number): Promise<void> {
    const before = this.#source;
    this.#source = source;
    this.#inFile = inFile;
    this.#held = [];
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

  /** More bytes have arrived, and are on their way into the file. They are held until they are in it, and a little longer. */
  hold(bytes: Buffer): void {
    this.#held.push({ at: this.#arrived(), bytes });
    if (this.#waiting.size === 0) return;
    if (this.#waiting.size <= FEW_READERS) this.#wake();
    else this.#telling ??= setTimeout(() => this.#wake(), TELL_EVERY_MS);
  }

  /** So many bytes are in the file. */
  grow(inFile: number): void {
    if (inFile <= this.#inFile) return;
    const before = this.#arrived();
    this.#inFile = inFile;
    this.#held = this.#held.filter(({ at, bytes }) => at + bytes.byteLength > inFile - this.keptBytes);
    if (this.#arrived() > before) this.#wake();
  }

  /** The whole is there, and is what its digest says. */
  complete(size: number): void {
    this.#size = size;
    this.#inFile = size;
    this.#held = [];
    this.#verified = true;
    this.#wake();
  }

  /** No more bytes come. Every reader meets this failure, after the bytes that are there. */
  fail(error: unknown): void {
    if (this.#verified) return;
    this.#failure ??= { error };
    this.#wake();
  }

  /** It turned out to be in the store: whoever reads already goes on from there. It is closed with this one. */
  async completeFrom(stored: OpenBlob): Promise<void> {
    const read = (buffer: Uint8Array, bytes: number, position: number) =>
      stored.read(buffer.subarray(0, bytes), position);
    await this.attach({ read, close: () => stored.close() }, 0);
    this.complete(stored.size);
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
    if (this.#users === 0) await this.#source?.close();
  }

  async #read(buffer: Uint8Array, position: number): Promise<number> {
    for (;;) {
      const readable = Math.min(this.#readable() - position, buffer.byteLength);
      const heldFrom = this.#held[0]?.at ?? this.#inFile;
      if (readable > 0 && position >= heldFrom) return this.#copyHeld(buffer, readable, position);
      if (readable > 0 && this.#source !== undefined) {
        return this.#source.read(buffer, Math.min(readable, this.#inFile - position), position);
      }
      if (this.#verified) return 0;
      if (this.#failure !== undefined) throw this.#failure.error;
      await this.#news();
    }
  }

  #copyHeld(buffer: Uint8Array, most: number, position: number): number {
    let done = 0;
    for (const { at, bytes } of this.#held) {
      const from = position + done - at;
      if (from >= bytes.byteLength || done === most) continue;
      const part = bytes.subarray(from, from + most - done);
      buffer.set(part, done);
      done += part.byteLength;
    }
    return done;
  }

  /** How many bytes may be read now. */
  #readable(): number {
    const arrived = this.#arrived();
    return this.#verified ? arrived : Math.min(arrived, (this.#size ?? arrived) - 1);
  }

  #arrived(): number {
    const last = this.#held.at(-1);
    return last === undefined ? this.#inFile : Math.max(this.#inFile, last.at + last.bytes.byteLength);
  }

  #news(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    clearTimeout(this.#telling);
    this.#telling = undefined;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const go of waiting) go();
  }
}
