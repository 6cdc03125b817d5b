import {
  type Clock,
  type Digest,
  LARGEST_MANIFEST_BYTES,
  OCI_INDEX,
  type ProxyCacheSettings,
  parseManifest,
  type StoredManifest,
} from '@breakwater/registry-core';
import type { ContentFetch } from '../completing/content-fetch.js';
import type { ImageCompletion } from '../completing/image-completion.js';
import { PRIORITIES } from '../completing/missing-content.js';
import { ageMs } from '../decision/freshness.js';
import type { Emit } from '../events.js';
import type { UpstreamHealth } from '../health/upstream-health.js';
import type { CachedListings } from '../listings/cached-listings.js';
import type { Listing } from '../listings/listing.js';
import type { ListingChecks, ListingRequest } from '../listings/listing-checks.js';
import { referrersRequest } from '../listings/referrers.js';
import type { HotManifests } from '../manifests/hot-manifests.js';
import type { TagChecks } from '../manifests/tag-checks.js';
import type { ProxiedRepository, TagKey } from '../ports.js';
import type { CachedTags } from '../tags/cached-tags.js';
import type { Deadlines } from '../upstream/deadlines.js';
import type { UpstreamClient } from '../upstream/upstream-client.js';
import { isUpstreamError } from '../upstream/upstream-error.js';
import { isDue } from './look-schedule.js';
import { signatureTags } from './signature-tags.js';

/** What a look for signatures leans on. */
export interface ImageSignaturesParts {
  readonly tags: Pick<CachedTags, 'load' | 'noteUse'>;
  readonly checks: Pick<TagChecks, 'start'>;
  readonly listings: Pick<CachedListings, 'load' | 'noteUse'>;
  readonly listingChecks: Pick<ListingChecks, 'start'>;
  readonly manifests: Pick<HotManifests, 'get'>;
  readonly fetch: Pick<ContentFetch, 'manifest'>;
  readonly completion: Pick<ImageCompletion, 'note'>;
  readonly upstreams: Pick<UpstreamClient, 'registry'>;
  readonly health: UpstreamHealth;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
  readonly emit: Emit;
}

const NO_REFERRERS: Listing = {
  body: JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }),
  filtered: false,
};
/** Most artifacts of one image that are fetched, and most pages of their list that are read. */
const MAX_ARTIFACTS = 32;
const MAX_PAGES = 4;
/** Most bytes of one artifact: signatures take kilobytes, SBOMs megabytes; what takes more is content of its own kind. */
const MAX_ARTIFACT_BYTES = 64 * 1024 * 1024;

/**
 * Looks for what signs and describes an image, as clients do: its referrers, and the tags that cosign makes of its digest.
 * Manifests are fetched at once, since they are few and small; their blobs are noted as missing.
 */
export class ImageSignatures {
  readonly #closing = new AbortController();

  constructor(private readonly parts: ImageSignaturesParts) {}

  /**
   * Confirms what is cached and due. Resolves to whether anything is there.
   * @param forAbsent whether tags that are not cached are looked for, too
   * @throws UpstreamError, or RegistryError for failures of our own
   */
  async look(
    settings: ProxyCacheSettings,
    repository: ProxiedRepository,
    image: Digest,
    forAbsent: boolean,
  ): Promise<boolean> {
    let found = false;
    for (const digest of await this.#referrers(settings, repository, image)) {
      const artifact = await this.#artifact(settings, repository, digest);
      if (artifact === undefined) continue;
      await this.#noteMissing(settings, repository, artifact);
      found = true;
    }
    for (const tag of signatureTags(image)) {
      const manifest = await this.#tagged(settings, { repository, tag }, forAbsent);
      if (manifest === undefined) continue;
      await this.#noteMissing(settings, repository, manifest);
      found = true;
    }
    return found;
  }

  /** Ends the requests under way. */
  close(): void {
    this.#closing.abort();
  }

  /** The first artifacts that refer to an image. */
  async #referrers(
    settings: ProxyCacheSettings,
    repository: ProxiedRepository,
    image: Digest,
  ): Promise<readonly Digest[]> {
    const found = new Set<Digest>();
    let next: string | undefined;
    for (let page = 0; page < MAX_PAGES && found.size < MAX_ARTIFACTS; page += 1) {
      const listing = await this.#listing(
        settings,
        referrersRequest(repository, image, { artifactType: undefined, next }),
      );
      const index = parseManifest(Buffer.from(listing.body), OCI_INDEX, LARGEST_MANIFEST_BYTES);
      if (index.kind === 'index') for (const { digest } of index.manifests) found.add(digest);
      next = listing.next;
      if (next === undefined) break;
    }
    return [...found].slice(0, MAX_ARTIFACTS);
  }

  async #listing(settings: ProxyCacheSettings, request: ListingRequest): Promise<Listing> {
    const { listings, listingChecks } = this.parts;
    const { entry, unreadable } = await listings.load(request.key);
    if (unreadable !== undefined) throw unreadable;
    // As long as the image is pulled, its list is in use.
    listings.noteUse(request.key);
    if (entry !== undefined && !this.#isDue(entry, settings)) return entry;
    const result = await listingChecks.start(request, settings).result;
    if (result.kind === 'listed') return result.listing;
    // Some registries let nobody in there who may pull the image; its tags can be looked for all the same.
    if (isRefusal(result.error)) return NO_REFERRERS;
    throw result.error;
  }

  /** `undefined` when the list names what is not there. */
  async #artifact(
    settings: ProxyCacheSettings,
    repository: ProxiedRepository,
    digest: Digest,
  ): Promise<StoredManifest | undefined> {
    const { manifests, fetch } = this.parts;
    const stored = await manifests.get(repository, digest);
    if (stored !== undefined) return stored;
    try {
      await fetch.manifest(settings, repository, digest);
    } catch (error) {
      if (isRefusal(error)) return undefined;
      throw error;
    }
    return manifests.get(repository, digest);
  }

  /** The manifest of a tag; `undefined` when there is none, or nobody has looked. */
  async #tagged(settings: ProxyCacheSettings, key: TagKey, forAbsent: boolean): Promise<StoredManifest | undefined> {
    const { tags, checks, manifests } = this.parts;
    const entry = await tags.load(key);
    if (entry === undefined && !(forAbsent && (await this.#exists(settings, key)))) return undefined;
    if (entry !== undefined) tags.noteUse(key);
    if (entry !== undefined && !this.#isDue(entry, settings)) return manifests.get(key.repository, entry.digest);
    const result = await checks.start(key, settings, entry).result;
    switch (result.kind) {
      case 'moved':
        return result.manifest;
      case 'same':
        return manifests.get(key.repository, result.entry.digest);
      case 'failed':
        if (!isRefusal(result.error)) throw result.error;
        return entry === undefined ? undefined : manifests.get(key.repository, entry.digest);
    }
  }

  /** Asks with HEAD, which is no pull to those who count pulls. Most images have none of these tags. */
  async #exists(settings: ProxyCacheSettings, { repository, tag }: TagKey): Promise<boolean> {
    const { upstreams, health, deadlines, emit } = this.parts;
    const scope = health.scopeOf(settings);
    const signal = AbortSignal.any([AbortSignal.timeout(deadlines.clientBudgetMs), this.#closing.signal]);
    const { organization, name } = repository;
    emit('upstream-request', { organization, repository: name, reference: tag, purpose: 'check' });
    try {
      const { isMissing } = await upstreams.registry(settings).headManifest(name, { kind: 'tag', tag }, signal);
      await health.heard(scope);
      return !isMissing;
    } catch (error) {
      if (!isUpstreamError(error) || this.#closing.signal.aborted) throw error;
      // The image could be had a moment ago: a refusal says that there is no such tag, and nothing of the credential.
      if (isRefusal(error)) {
        await health.heard(scope);
        return false;
      }
      await health.failed(scope, error, false);
      throw error;
    }
  }

  async #noteMissing(
    settings: ProxyCacheSettings,
    repository: ProxiedRepository,
    artifact: StoredManifest,
  ): Promise<void> {
    await this.parts.completion.note(repository, artifact, {
      wantedBy: 'pull',
      priority: PRIORITIES.pulled,
      platforms: 'all',
      maxBytes: Math.min(MAX_ARTIFACT_BYTES, settings.prefetchMaxBytes),
    });
  }

  #isDue(entry: { readonly confirmedAt: number }, settings: ProxyCacheSettings): boolean {
    return isDue(ageMs(entry, this.parts.clock.now()), settings);
  }
}

function isRefusal(error: unknown): boolean {
  return isUpstreamError(error) && (error.failureClass === 'removed' || error.failureClass === 'denied');
}
