import type { BlobStore, ManifestStore, Repository } from '@breakwater/registry-core';
import type { ProxiedRepository } from '../ports.js';
import type { ImageCompletion } from './image-completion.js';

/** The host's blobs; what is imported is missing no more, whoever has fetched it. */
export function notingBlobs(local: BlobStore, completion: () => Pick<ImageCompletion, 'blobStored'>): BlobStore {
  return {
    open: (repository, digest) => local.open(repository, digest),
    async import(repository, digest, file) {
      await local.import(repository, digest, file);
      // Not waited for: the blob is there, and the next who asks should find it at rest.
      if (isProxied(repository)) completion().blobStored(repository, digest);
    },
  };
}

/** The host's manifests; what is put is missing no more. */
export function notingManifests(
  local: ManifestStore,
  completion: () => Pick<ImageCompletion, 'manifestStored'>,
): ManifestStore {
  return {
    get: (repository, digest) => local.get(repository, digest),
    async put(repository, manifest) {
      await local.put(repository, manifest);
      if (isProxied(repository)) await completion().manifestStored(repository, manifest);
    },
  };
}

function isProxied(repository: Repository): repository is ProxiedRepository {
  return repository.upstream !== undefined;
}
