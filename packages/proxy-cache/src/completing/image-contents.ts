import type { BlobStore, Digest, StoredManifest } from '@breakwater/registry-core';
import type { HotManifests } from '../manifests/hot-manifests.js';
import type { ProxiedRepository } from '../ports.js';
import type { NeededContent } from './missing-content.js';
import { type ImageNeeds, imageNeeds, isRunnable, type ListedManifest, platformName } from './needed-content.js';

/** A configuration that is larger is not read for its platform, in bytes. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;
/** How much is looked up at a time: a client may wait for it, and others use the store as well. */
const LOOKS_AT_A_TIME = 8;
/** Indexes in indexes are followed so deep (S34). */
export const MAX_NESTED = 4;

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

  /**
   * What an index lists, and what the indexes list that are stored among that. What is listed without a platform is of the
   * one that its index is listed for. Empty for an image, and for what is not stored.
   */
  async listed(
    repository: ProxiedRepository,
    digest: Digest,
    within?: string,
    depth = 1,
  ): Promise<readonly ListedManifest[]> {
    const needs = await this.needsOf(repository, digest);
    if (needs?.kind !== 'index') return [];
    const found: ListedManifest[] = [];
    for (const each of needs.manifests) {
      const platform = each.platform ?? within;
      found.push({ ...each, platform });
      if (each.isIndex && depth < MAX_NESTED) {
        found.push(...(await this.listed(repository, each.digest, platform, depth + 1)));
      }
    }
    return found;
  }

  /** The images below an index that are stored and can be run, each with the blobs that it misses. */
  async storedPlatforms(repository: ProxiedRepository, index: Digest): Promise<readonly StoredPlatform[]> {
    const found: StoredPlatform[] = [];
    for (const listed of await this.listed(repository, index)) {
      const needs = isRunnable(listed) ? await this.needsOf(repository, listed.digest) : undefined;
      if (needs?.kind !== 'image') continue;
      found.push({ listed, missing: await this.missing(repository, needs.blobs) });
    }
    return found;
  }

  /** A stored manifest; `undefined` when it is not there. */
  manifest(repository: ProxiedRepository, digest: Digest): Promise<StoredManifest | undefined> {
    return this.manifests.get(repository, digest);
  }

  /** What a manifest takes; `undefined` when it is not stored. */
  async needsOf(repository: ProxiedRepository, digest: Digest): Promise<ImageNeeds | undefined> {
    const stored = await this.manifest(repository, digest);
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
      return platformName(parsedJson(bytes.toString('utf8')));
    } finally {
      await blob.close();
    }
  }
}

/** `undefined` for what is no JSON: the configuration of an artifact can be anything. */
function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
