import type { GrowingBlob } from './growing-blob.js';
import type { SpoolFile } from './spool-file.js';

/** How much is gathered before it is written, in bytes. */
const BATCH_BYTES = 1024 * 1024;
/** How much may be gathered while a write is under way, in bytes, before the upstream has to wait for the disk. */
const MOST_GATHERED_BYTES = 2 * BATCH_BYTES;
/** How long bytes that somebody waits for may be gathered, in milliseconds: a write, and a read per reader, for each. */
const GATHER_MS = 20;

/**
 * Appends what arrives to the file, in large writes, one at a time, while more arrives. Readers that wait get it sooner
 * than a batch is full, but not for every packet: two hundred readers would read two hundred times for each.
 */
export class SpoolWriter {
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;
  #writing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writtenAt = Number.NEGATIVE_INFINITY;

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
    this.#gathered.push(chunk);
    this.#gatheredBytes += chunk.byteLength;
    this.#mayWrite();
    if (this.#gatheredBytes >= MOST_GATHERED_BYTES) await this.#writing;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Writes what is left. @throws the file system's error */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    while (this.#writing !== undefined || (this.#gatheredBytes > 0 && this.#failure === undefined)) {
      if (this.#writing === undefined) this.#write();
      await this.#writing;
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #mayWrite(): void {
    if (this.#writing !== undefined || this.#gatheredBytes === 0 || this.#failure !== undefined) return;
    if (this.#gatheredBytes >= BATCH_BYTES) return this.#write();
    if (!this.blob.isAwaited) return;
    const early = GATHER_MS - (performance.now() - this.#writtenAt);
    if (early <= 0) return this.#write();
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#mayWrite();
    }, early);
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const pieces = this.#gathered;
    const bytes = this.#gatheredBytes;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#writtenAt = performance.now();
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
