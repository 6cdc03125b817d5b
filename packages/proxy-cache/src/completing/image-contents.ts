import type { BlobStore, Digest, StoredManifest } from '@breakwater/registry-core';
import type { HotManifests } from '../manifests/hot-manifests.js';
import type { ProxiedRepository } from '../ports.js';
import type { NeededContent } from './missing-content.js';
import { type ImageNeeds, imageNeeds, type ListedManifest, platformName } from './needed-content.js';

/** A configuration that is larger is not read for its platform, in bytes. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;
/** How much is looked up at a time: a client may wait for it, and others use the store as well. */
const LOOKS_AT_A_TIME = 8;

/** A manifest of an index that is stored, and what its image misses. */
export interface StoredPlatform {
  readonly listed: ListedManifest;
  readonly missing: readonly NeededContent[];
}

/** What is stored of images, by looking: the store is the truth, whatever was noted of it. */
export class ImageContents {
  constructor(
    private readonly manifests: Pick<HotManifests, 'get'>,
    private readonly blobs: Pick<BlobStore, 'open'>,
  ) {}

  async isStored(repository: ProxiedRepository, { kind, digest }: NeededContent): Promise<boolean> {
    if (kind === 'manifest') return (await this.manifests.get(repository, digest)) !== undefined;
    const blob = await this.blobs.open(repository, digest);
    await blob?.close();
    return blob !== undefined;
  }

  /** What of these is not stored. */
  async missing<Content extends NeededContent>(
    repository: ProxiedRepository,
    contents: readonly Content[],
  ): Promise<readonly Content[]> {
    const missing: Content[] = [];
    for (let at = 0; at < contents.length; at += LOOKS_AT_A_TIME) {
      const batch = contents.slice(at, at + LOOKS_AT_A_TIME);
      const stored = await Promise.all(batch.map((content) => this.isStored(repository, content)));
      missing.push(...batch.filter((_content, index) => stored[index] === false));
    }
    return missing;
  }

  /** The manifests of an index that are stored, each with the blobs that it misses. An index in an index is left out. */
  async storedPlatforms(
    repository: ProxiedRepository,
    { manifests }: ImageNeeds & { kind: 'index' },
  ): Promise<readonly StoredPlatform[]> {
    const found: StoredPlatform[] = [];
    for (const listed of manifests) {
      const needs = await this.needsOf(repository, listed.digest);
      if (needs?.kind !== 'image') continue;
      found.push({ listed, missing: await this.missing(repository, needs.blobs) });
    }
    return found;
  }

  /** What a manifest takes; `undefined` when it is not stored. */
  async needsOf(repository: ProxiedRepository, digest: Digest): Promise<ImageNeeds | undefined> {
    const stored: StoredManifest | undefined = await this.manifests.get(repository, digest);
    return stored === undefined ? undefined : imageNeeds(stored);
  }

  /** The platform that the configuration of an image names; `undefined` when it cannot be read. */
  async platformOf(repository: ProxiedRepository, config: Digest): Promise<string | undefined> {
    const blob = await this.blobs.open(repository, config);
    if (blob === undefined) return undefined;
    try {
      if (blob.size > MAX_CONFIG_BYTES) return undefined;
      const bytes = Buffer.alloc(blob.size);
      for (let at = 0; at < bytes.byteLength; ) {
        const read = await blob.read(bytes.subarray(at), at);
        if (read === 0) return undefined;
        at += read;
      }
      return platformName(JSON.parse(bytes.toString('utf8')));
    } catch (error) {
      // The configuration of an artifact can be anything.
      if (error instanceof SyntaxError) return undefined;
      throw error;
    } finally {
      await blob.close();
    }
  }
}
