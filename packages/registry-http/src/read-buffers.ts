const KIB = 1024;
/** How large the buffers of one more reader are, in bytes, by how many readers there are already. */
const SIZES: readonly { readonly below: number; readonly bytes: number }[] = [
  // As fast as sendfile on the machines we measured, for as many as a few cores can serve at full speed.
  { below: 8, bytes: 1024 * KIB },
  { below: 32, bytes: 256 * KIB },
  { below: 200, bytes: 64 * KIB },
];
const LEAST_BYTES = 16 * KIB;
/** Buffers of the full size that are kept for the next readers: new ones cost the kernel a page at a time. */
const KEPT = 16;

/**
 * The memory that readers of blobs move bytes through, two buffers each. Few readers get large ones; the more there are,
 * the smaller they get, because many at once are slow whatever they have: a thousand hold less than 100 MiB together.
 */
export class ReadBuffers {
  #readers = 0;
  readonly #kept: Buffer[] = [];

  /** A share for one more reader of so many bytes. Whoever has it gives it back with `leave`. */
  enter(wantedBytes: number): ReaderBuffers {
    const most = SIZES.find(({ below }) => this.#readers < below)?.bytes ?? LEAST_BYTES;
    this.#readers += 1;
    return new ReaderBuffers(Math.max(1, Math.min(most, wantedBytes)), this.#kept, () => {
      this.#readers -= 1;
    });
  }
}

/** The buffers of one reader. */
export class ReaderBuffers {
  readonly #taken: Buffer[] = [];
  #left = false;

  /** @param bytes size of each buffer */
  constructor(
    private readonly bytes: number,
    private readonly kept: Buffer[],
    private readonly onLeave: () => void,
  ) {}

  take(): Buffer {
    const kept = this.bytes === SIZES[0]?.bytes ? this.kept.pop() : undefined;
    const buffer = kept ?? Buffer.allocUnsafeSlow(this.bytes);
    this.#taken.push(buffer);
    return buffer;
  }

  /** @param unused whether nobody, the kernel included, will look into the buffers any more */
  leave(unused: boolean): void {
    if (this.#left) return;
    this.#left = true;
    this.onLeave();
    if (!unused || this.bytes !== SIZES[0]?.bytes) return;
    this.kept.push(...this.#taken.slice(0, Math.max(0, KEPT - this.kept.length)));
  }
}
