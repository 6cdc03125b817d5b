import { describeBlobStore } from '../contracts/blob-store-contract.js';
import { describeManifestStore } from '../contracts/manifest-store-contract.js';
import { describeTagStore } from '../contracts/tag-store-contract.js';
import { MemoryBlobStore } from './memory-blob-store.js';
import { MemoryManifestStore } from './memory-manifest-store.js';
import { MemoryTagStore } from './memory-tag-store.js';

describeManifestStore('in memory', async () => ({ manifests: new MemoryManifestStore() }));
describeBlobStore('in memory', async () => ({ blobs: new MemoryBlobStore() }));
describeTagStore('in memory', async () => {
  const tags = new MemoryTagStore();
  return { tags, point: async (repository, tag, manifest) => tags.point(repository, tag, manifest.digest) };
});
