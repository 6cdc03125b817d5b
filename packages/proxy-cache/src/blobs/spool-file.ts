import { constants } from 'node:fs';
import type { SpoolDisk } from './spool-disk.js';
import { storageFailure } from './storage-failure.js';

/** Of a file that grows, and of one whose content was verified. */
export const GROWING_MODE = 0o600;
const VERIFIED_MODE = 0o400;
const WRITABLE = 0o200;

/** What is to be seen of a file in the spool from any process. */
export interface SpoolFileFacts {
  readonly bytes: number;
  /** Its writer has verified the whole; it does not change any more. */
  readonly verified: boolean;
}

/**
 * A growing file, opened once for all readers of this process. It has exactly one writer for as long as it lives, which is
 * what its content is safe by. That it was verified is its mode: the mode goes with the file wherever it is moved, and a
 * reader in another process sees it together with the size.
 */
export class SpoolFile {
  #using = 0;
  #idle: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  private constructor(
    readonly path: string,
    private readonly descriptor: number,
    private readonly disk: SpoolDisk,
  ) {}

  /** Opens a file to write to; makes it unless `exists`. */
  static async toWrite(disk: SpoolDisk, path: string, exists = false): Promise<SpoolFile> {
    return new SpoolFile(path, await disk.open(path, exists ? 'r+' : 'wx+', GROWING_MODE), disk);
  }

  /** Opens somebody else's file; `undefined` when it is not there. */
  static async toRead(disk: SpoolDisk, path: string): Promise<SpoolFile | undefined> {
    try {
      return new SpoolFile(path, await disk.open(path, constants.O_RDONLY | constants.O_NOFOLLOW), disk);
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /**
   * Reads into the buffer, at most `bytes`. Resolves to how many they were.
   * @throws RegistryError UNAVAILABLE with reason `storage`
   */
  read(buffer: Uint8Array, bytes: number, position: number): Promise<number> {
    return this.#use(this.disk.read(this.descriptor, buffer, bytes, position)).catch((error: unknown) => {
      throw storageFailure(error);
    });
  }

  /** Writes all of the pieces, one after the other, without copying them together. */
  async write(pieces: readonly Buffer[], position: number): Promise<void> {
    let left = pieces;
    let at = position;
    while (left.length > 0) {
      const done = await this.#use(this.disk.writev(this.descriptor, left, at));
      at += done;
      left = without(left, done);
    }
  }

  async facts(): Promise<SpoolFileFacts> {
    const { size, mode } = await this.#use(this.disk.fstat(this.descriptor));
    return { bytes: size, verified: (mode & WRITABLE) === 0 };
  }

  /** Says, to every process, that the content was verified. */
  markVerified(): Promise<void> {
    return this.#use(this.disk.fchmod(this.descriptor, VERIFIED_MODE));
  }

  sync(): Promise<void> {
    return this.#use(this.disk.fsync(this.descriptor));
  }

  /** Closes it once nothing is under way: the number of a closed descriptor is given to the next file. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    if (this.#using > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    await this.disk.close(this.descriptor);
  }

  async #use<T>(work: Promise<T>): Promise<T> {
    this.#using += 1;
    try {
      return await work;
    } finally {
      this.#using -= 1;
      if (this.#using === 0) this.#idle?.();
    }
  }
}

/** What is left of the pieces after so many bytes. */
function without(pieces: readonly Buffer[], bytes: number): readonly Buffer[] {
  let skip = bytes;
  let index = 0;
  for (const piece of pieces) {
    if (skip < piece.byteLength) break;
    skip -= piece.byteLength;
    index += 1;
  }
  const [first, ...rest] = pieces.slice(index);
  return first === undefined ? [] : [first.subarray(skip), ...rest];
}
