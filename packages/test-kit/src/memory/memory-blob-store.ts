import { readFile, unlink } from 'node:fs/promises';
import { type BlobStore, type Digest, type OpenBlob, type Repository, repositoryKey } from '@breakwater/registry-core';

/** Blobs in memory, for hosts and tests that need nothing else. */
export class MemoryBlobStore implements BlobStore {
  readonly #repositories = new Map<string, Map<Digest, Uint8Array>>();

  async open(repository: Repository, digest: Digest): Promise<OpenBlob | undefined> {
    const bytes = this.#repositories.get(repositoryKey(repository))?.get(digest);
    return bytes && openBytes(bytes);
  }

  async import(repository: Repository, digest: Digest, file: string): Promise<void> {
    const bytes = await readFile(file);
    await unlink(file);
    this.add(repository, digest, bytes);
  }

  /** Stores bytes that no file holds. */
  add(repository: Repository, digest: Digest, bytes: Uint8Array): void {
    const key = repositoryKey(repository);
    const blobs = this.#repositories.get(key) ?? new Map<Digest, Uint8Array>();
    this.#repositories.set(key, blobs.set(digest, bytes));
  }
}

function openBytes(bytes: Uint8Array): OpenBlob {
  return {
    size: bytes.byteLength,
    async read(buffer, position) {
      const part = bytes.subarray(position, position + buffer.byteLength);
      buffer.set(part);
      return part.byteLength;
    },
    async close() {},
  };
}
