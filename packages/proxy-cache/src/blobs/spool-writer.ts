import type { GrowingBlob } from './growing-blob.js';
import type { SpoolFile } from './spool-file.js';

/** How much is gathered before it is written, in bytes: so little that it is in the processor's cache still. */
const BATCH_BYTES = 256 * 1024;
/** How much may be gathered while a write is under way, in bytes, before the upstream has to wait for the disk. */
const MOST_GATHERED_BYTES = 2 * 1024 * 1024;
/** How long bytes may be gathered, in milliseconds: other processes read them from the file. */
const GATHER_MS = 50;

/**
 * Appends what arrives to the file, in large writes, one at a time, while more arrives and while the readers of this
 * process have it already.
 */
export class SpoolWriter {
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;
  #writing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param position where the next byte belongs */
  constructor(
    private readonly file: SpoolFile,
    private readonly blob: GrowingBlob,
    private position: number,
  ) {}

  /**
   * Takes a chunk; resolves when the next one may come.
   * @throws the file system's error, of this chunk or of one before
   */
  async add(chunk: Buffer): Promise<void> {
    this.blob.hold(chunk);
    this.#gathered.push(chunk);
    this.#gatheredBytes += chunk.byteLength;
    this.#mayWrite();
    if (this.#gatheredBytes >= MOST_GATHERED_BYTES) await this.#writing;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Writes what is left. @throws the file system's error */
  async flush(): Promise<void> {
    while (this.#writing !== undefined || (this.#gatheredBytes > 0 && this.#failure === undefined)) {
      if (this.#writing === undefined) this.#write();
      await this.#writing;
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** The first of what is gathered, up to a batch. */
  #take(): { readonly pieces: readonly Buffer[]; readonly bytes: number } {
    let bytes = 0;
    let count = 0;
    for (const piece of this.#gathered) {
      if (bytes >= BATCH_BYTES) break;
      bytes += piece.byteLength;
      count += 1;
    }
    this.#gatheredBytes -= bytes;
    return { pieces: this.#gathered.splice(0, count), bytes };
  }

  #mayWrite(): void {
    if (this.#writing !== undefined || this.#gatheredBytes === 0 || this.#failure !== undefined) return;
    if (this.#gatheredBytes >= BATCH_BYTES) return this.#write();
    this.#timer ??= setTimeout(() => this.#write(), GATHER_MS);
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#writing !== undefined) return;
    const { pieces, bytes } = this.#take();
    this.#writing = this.file
      .write(pieces, this.position)
      .then(
        () => {
          this.position += bytes;
          this.blob.grow(this.position);
        },
        (error: unknown) => {
          this.#failure = { error };
        },
      )
      .finally(() => {
        this.#writing = undefined;
        this.#mayWrite();
      });
  }
}
