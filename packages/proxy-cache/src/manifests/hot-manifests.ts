import {
  type Digest,
  type ManifestStore,
  type Repository,
  repositoryKey,
  type StoredManifest,
} from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';

/** Most bytes of manifests that are held in memory. */
const MAX_HOT_BYTES = 64 * 1024 * 1024;

/** The host's manifests with the ones in use in memory. What is there was read from, or put into, the host's store. */
export class HotManifests {
  readonly #hot = new LRUCache<string, StoredManifest>({
    maxSize: MAX_HOT_BYTES,
    sizeCalculation: ({ bytes }) => bytes.byteLength + 512,
  });

  constructor(private readonly local: ManifestStore) {}

  /** What is in memory under a `contentKey`. */
  hot(key: string): StoredManifest | undefined {
    return this.#hot.get(key);
  }

  async get(repository: Repository, digest: Digest): Promise<StoredManifest | undefined> {
    const key = contentKey(repository, digest);
    const hot = this.hot(key);
    if (hot !== undefined) return hot;
    const stored = await this.local.get(repository, digest);
    if (stored !== undefined) this.#hot.set(key, stored);
    return stored;
  }

  /** Stores and links, also when it is in memory already: the store may have been about to collect it. */
  async put(repository: Repository, manifest: StoredManifest): Promise<void> {
    await this.local.put(repository, manifest);
    this.#hot.set(contentKey(repository, manifest.digest), manifest);
  }

  clear(): void {
    this.#hot.clear();
  }
}

/** A key for maps, one to one with repository and digest. */
export function contentKey(repository: Repository, digest: Digest): string {
  return `${repositoryKey(repository)}\n${digest}`;
}
