import {
  type Digest,
  type ManifestStore,
  type Repository,
  repositoryKey,
  type StoredManifest,
} from '@breakwater/registry-core';

/** Manifests in memory, for hosts and tests that need nothing else. */
export class MemoryManifestStore implements ManifestStore {
  readonly #repositories = new Map<string, Map<Digest, StoredManifest>>();

  async get(repository: Repository, digest: Digest): Promise<StoredManifest | undefined> {
    return this.#repositories.get(repositoryKey(repository))?.get(digest);
  }

  async put(repository: Repository, manifest: StoredManifest): Promise<void> {
    const key = repositoryKey(repository);
    const manifests = this.#repositories.get(key) ?? new Map<Digest, StoredManifest>();
    this.#repositories.set(key, manifests);
    if (!manifests.has(manifest.digest)) manifests.set(manifest.digest, manifest);
  }
}
