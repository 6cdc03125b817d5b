import { close, fsync, open, read, write } from 'node:fs';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { type Digest, DigestVerifier, type OpenBlob } from '@breakwater/registry-core';
import { idleGuarded } from '../upstream/read-body.js';
import { UpstreamError } from '../upstream/upstream-error.js';

const openFile = promisify(open);
const closeFile = promisify(close);
const syncFile = promisify(fsync);
const readFile = promisify(read);
const writeFile = promisify(write);

/** How much is gathered before it is written, in bytes. */
const WRITE_BYTES = 1024 * 1024;
/** The slowest transfer that is put up with (P2): 1 KiB/s over a minute. */
const MIN_BYTES_PER_WINDOW = 60 * 1024;
const WINDOW_MS = 60_000;

export interface DownloadOptions {
  readonly digest: Digest;
  readonly file: string;
  /** Size in bytes, if the upstream says; a body of another length is a failure. */
  readonly expectedSize: number | undefined;
  readonly idleMs: number;
  readonly signal: AbortSignal;
}

/**
 * A blob that is being downloaded into a growing file. The download depends on no reader, and readers take the bytes from
 * the file at their own pace. The last byte is withheld until the whole is verified, so that nobody ever holds a
 * complete wrong blob (I1).
 */
export class Download {
  readonly #verifier: DigestVerifier;
  readonly #waiting = new Set<() => void>();
  #descriptor: number | undefined;
  #users = 1;
  #flushed = 0;
  #size: number | undefined;
  #failure: unknown;
  #verified = false;

  private constructor(private readonly options: DownloadOptions) {
    this.#verifier = new DigestVerifier(options.digest);
    // An announced nothing has no last byte to withhold: it counts once it is verified, or a client would have it whole.
    this.#size = options.expectedSize === 0 ? undefined : options.expectedSize;
  }

  /** Creates the file; `run` fills it. */
  static async create(options: DownloadOptions): Promise<Download> {
    const download = new Download(options);
    download.#descriptor = await openFile(options.file, 'wx+', 0o600);
    return download;
  }

  /** Path of the file. */
  get file(): string {
    return this.options.file;
  }

  /**
   * Takes the body in, verifies it and flushes it to disk. Every reader meets the failure that this rejects with.
   * @throws UpstreamError, or the file system's error
   */
  async run(body: Readable): Promise<void> {
    try {
      await this.#fill(body);
      if (!this.#verifier.verify(this.options.expectedSize)) {
        throw new UpstreamError('integrity', 'the upstream sent a blob that does not match its digest');
      }
      this.#size = this.#flushed;
      this.#verified = true;
      // Readers have what they need; only keeping it depends on the disk.
      this.#wake();
      await syncFile(this.#fd());
    } catch (error) {
      this.#failure = error;
      throw error;
    } finally {
      body.destroy();
      this.#wake();
    }
  }

  /** Resolves once the size is known: at once if the upstream said it, else at the end of the download. */
  async size(): Promise<number> {
    while (this.#size === undefined) {
      if (this.#failure !== undefined) throw this.#failure;
      await this.#news();
    }
    return this.#size;
  }

  /** Opens the blob for one more reader; `undefined` when the last one has released it already. */
  async reader(): Promise<OpenBlob | undefined> {
    if (this.#users === 0) return undefined;
    this.#users += 1;
    let closed = false;
    const release = async () => {
      if (closed) return;
      closed = true;
      await this.release();
    };
    try {
      return { size: await this.size(), read: (buffer, position) => this.#read(buffer, position), close: release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  /** The last one to release it closes the file. The download itself counts as one. */
  async release(): Promise<void> {
    this.#users -= 1;
    if (this.#users > 0 || this.#descriptor === undefined) return;
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    await closeFile(descriptor);
  }

  async #read(buffer: Uint8Array, position: number): Promise<number> {
    for (;;) {
      const available = this.#readable() - position;
      if (available > 0) {
        const { bytesRead } = await readFile(this.#fd(), buffer, 0, Math.min(buffer.byteLength, available), position);
        return bytesRead;
      }
      if (this.#verified) return 0;
      if (this.#failure !== undefined) throw this.#failure;
      await this.#news();
    }
  }

  /** How many bytes may be read now. */
  #readable(): number {
    return this.#verified ? this.#flushed : Math.max(0, this.#flushed - 1);
  }

  async #fill(body: Readable): Promise<void> {
    let batch: Buffer[] = [];
    let batched = 0;
    const rate = new RateFloor();
    for await (const chunk of idleGuarded(body, this.options)) {
      this.#verifier.update(chunk);
      if (this.options.expectedSize !== undefined && this.#verifier.bytes > this.options.expectedSize) {
        throw new UpstreamError('integrity', 'the upstream sent more bytes than it announced');
      }
      rate.add(chunk.byteLength);
      batch.push(chunk);
      batched += chunk.byteLength;
      if (batched >= WRITE_BYTES || this.#waiting.size > 0) {
        await this.#append(batch, batched);
        batch = [];
        batched = 0;
      }
    }
    if (batched > 0) await this.#append(batch, batched);
  }

  async #append(batch: readonly Buffer[], bytes: number): Promise<void> {
    const [only] = batch;
    const data = batch.length === 1 && only !== undefined ? only : Buffer.concat(batch, bytes);
    let done = 0;
    while (done < data.byteLength) {
      const { bytesWritten } = await writeFile(this.#fd(), data, done, data.byteLength - done, this.#flushed + done);
      done += bytesWritten;
    }
    this.#flushed += done;
    this.#wake();
  }

  #fd(): number {
    if (this.#descriptor === undefined) throw new Error('the download is closed');
    return this.#descriptor;
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

/** Fails a transfer that is alive but hopelessly slow. */
class RateFloor {
  #windowStart = performance.now();
  #bytes = 0;

  add(bytes: number): void {
    this.#bytes += bytes;
    const now = performance.now();
    if (now - this.#windowStart < WINDOW_MS) return;
    if (this.#bytes < MIN_BYTES_PER_WINDOW) throw new UpstreamError('timeout', 'the upstream sends too slowly');
    this.#windowStart = now;
    this.#bytes = 0;
  }
}
