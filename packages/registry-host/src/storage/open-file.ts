import { constants } from 'node:fs';
import type { CallGate, OpenBlob } from '@breakwater/registry-core';
import type { FileReads } from './file-system.js';
import type { Damage } from './ports.js';
import { asStorageError, callStorage, errorCode, isUnreadable, storageError } from './storage-error.js';

export interface OpenFileOptions {
  readonly reads: FileReads;
  readonly gate: CallGate;
  /** Told, and waited for, when the file turns out to be unreadable. */
  readonly onUnreadable?: () => Promise<void>;
}

/**
 * Opens a stored file, which must be a regular one of that size; resolves to what is wrong with it when it is not.
 *
 * @throws RegistryError UNAVAILABLE (detail.reason "storage", or "overload" when there is no descriptor)
 */
export async function openFile(path: string, size: number, options: OpenFileOptions): Promise<OpenBlob | Damage> {
  const { reads, gate } = options;
  // NONBLOCK: a pipe that somebody left in a blob's place must not hold a thread of the pool for ever.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  let descriptor: number;
  try {
    descriptor = await gate.run(
      () => reads.open(path, flags),
      (late) => void closeQuietly(reads, late),
    );
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes(errorCode(error))) return 'missing';
    if (isUnreadable(error)) return 'unreadable';
    throw asStorageError('opening a blob', error);
  }
  try {
    const stat = await callStorage('opening a blob', () => gate.run(() => reads.stat(descriptor)));
    if (stat.isFile && stat.size === size) return new OpenFile(descriptor, size, options);
    await closeQuietly(reads, descriptor);
    return stat.isFile ? 'size' : 'missing';
  } catch (error) {
    await closeQuietly(reads, descriptor);
    throw error;
  }
}

/** Nothing was written: whatever closing fails with changes nothing. */
async function closeQuietly(reads: FileReads, descriptor: number): Promise<void> {
  await reads.close(descriptor).catch(() => undefined);
}

/** A bare descriptor, read into the caller's buffer. After a read that failed the buffer must not be used again. */
class OpenFile implements OpenBlob {
  readonly size: number;
  readonly #descriptor: number;
  readonly #options: OpenFileOptions;
  readonly #idle: (() => void)[] = [];
  #reading = 0;
  #stalled = false;
  #closed: Promise<void> | undefined;

  constructor(descriptor: number, size: number, options: OpenFileOptions) {
    this.#descriptor = descriptor;
    this.size = size;
    this.#options = options;
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    if (this.#closed !== undefined) throw storageError('STORE_FAILED', 'the blob is closed');
    const { gate, onUnreadable } = this.#options;
    try {
      return await gate.run(() => this.#read(buffer, position));
    } catch (error) {
      if (isUnreadable(error)) await onUnreadable?.();
      const failure = asStorageError('reading a blob', error);
      if (failure.detail?.['problem'] === 'STORE_STALLED') this.#stalled = true;
      throw failure;
    }
  }

  /** Whoever met a stalled disk is not made to wait for it once more; the descriptor is closed when it answers. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#stalled ? Promise.resolve() : this.#closed;
  }

  async #read(buffer: Uint8Array, position: number): Promise<number> {
    this.#reading += 1;
    try {
      return await this.#options.reads.read(this.#descriptor, buffer, position);
    } finally {
      this.#reading -= 1;
      if (this.#reading === 0) for (const wake of this.#idle.splice(0)) wake();
    }
  }

  /** Not under a read in flight: the number of a closed descriptor is given to the next file, and the read goes there. */
  async #close(): Promise<void> {
    if (this.#reading > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    await closeQuietly(this.#options.reads, this.#descriptor);
  }
}
