import { close, constants, fstat, open, read } from 'node:fs';
import { promisify } from 'node:util';
import type { OpenBlob } from '@breakwater/registry-core';
import { callStorage, errorCode, storageError } from './storage-error.js';

const openDescriptor = promisify(open);
const statDescriptor = promisify(fstat);
const closeDescriptor = promisify(close);

/**
 * Opens a stored file, which must be a regular one of that size; `undefined` when it is not, or is not there.
 *
 * @throws RegistryError UNAVAILABLE (detail.reason "storage")
 */
export async function openFile(path: string, size: number): Promise<OpenBlob | undefined> {
  const descriptor = await callStorage('opening a blob', () => openIfThere(path));
  if (descriptor === undefined) return undefined;
  try {
    const stat = await callStorage('opening a blob', () => statDescriptor(descriptor));
    if (stat.isFile() && stat.size === size) return new OpenFile(descriptor, size);
  } catch (error) {
    await closeDescriptor(descriptor);
    throw error;
  }
  await closeDescriptor(descriptor);
  return undefined;
}

async function openIfThere(path: string): Promise<number | undefined> {
  try {
    // NONBLOCK: a pipe that somebody left in a blob's place must not hold a thread of the pool for ever.
    return await openDescriptor(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes(errorCode(error))) return undefined;
    throw error;
  }
}

/** A bare descriptor, read by callbacks into the caller's buffer: what measured fastest. */
class OpenFile implements OpenBlob {
  readonly size: number;
  readonly #descriptor: number;
  readonly #idle: (() => void)[] = [];
  #reading = 0;
  #closed: Promise<void> | undefined;

  constructor(descriptor: number, size: number) {
    this.#descriptor = descriptor;
    this.size = size;
  }

  read(buffer: Uint8Array, position: number): Promise<number> {
    if (this.#closed !== undefined) return Promise.reject(storageError('STORE_FAILED', 'the blob is closed'));
    this.#reading += 1;
    return new Promise((resolve, reject) => {
      read(this.#descriptor, buffer, 0, buffer.byteLength, position, (error, bytes) => {
        this.#reading -= 1;
        if (this.#reading === 0) for (const wake of this.#idle.splice(0)) wake();
        if (error === null) resolve(bytes);
        else reject(storageError('STORE_FAILED', `reading a blob failed with ${errorCode(error)}`, error));
      });
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Not under a read in flight: the number of a closed descriptor is given to the next file, and the read goes there. */
  async #close(): Promise<void> {
    if (this.#reading > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    await closeDescriptor(this.#descriptor);
  }
}
