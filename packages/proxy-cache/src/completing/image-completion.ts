import type { Clock, Digest, Logger, ProxyCacheSettings, StoredManifest } from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';
import type { Emit } from '../events.js';
import type { UpstreamHealth } from '../health/upstream-health.js';
import { contentKey } from '../manifests/hot-manifests.js';
import type { ProxiedRepository, TagKey } from '../ports.js';
import type { MissingContentTable } from '../postgres/missing-content-table.js';
import type { CachedTag, PreviousImage } from '../tags/cached-tag.js';
import { isUpstreamError } from '../upstream/upstream-error.js';
import { MAX_BACK_OFF_MS } from './back-off.js';
import { BoundedTurns } from './bounded-turns.js';
import { type ImageContents, MAX_NESTED } from './image-contents.js';
import {
  type MissingContent,
  missingFailure,
  type NeededContent,
  PRIORITIES,
  type Priority,
  type WantedBy,
} from './missing-content.js';
import {
  type ImageNeeds,
  imageNeeds,
  isRunnable,
  type ListedManifest,
  manifestsFor,
  type WantedPlatforms,
} from './needed-content.js';
import type { PulledImages } from './pulled-images.js';

/** What the completion of images leans on. */
export interface ImageCompletionParts {
  readonly contents: ImageContents;
  readonly table: MissingContentTable;
  readonly health: Pick<UpstreamHealth, 'scopeOf'>;
  readonly clock: Clock;
  readonly emit: Emit;
  /** Hears that something was noted. */
  readonly onNoted: () => void;
  /** Hears of each image that was pulled, once in a while. */
  readonly signatures: PulledImages;
  readonly logger: Logger;
}

/** Who wants an image complete, and how much of it. */
export interface CompletionWish {
  readonly wantedBy: WantedBy;
  readonly priority: Priority;
  /** The platforms of an index that are wanted; `undefined` = those that are asked for by digest, one by one. */
  readonly platforms?: WantedPlatforms;
  /** Most bytes for one image. */
  readonly maxBytes: number;
}

/** What came of noting what an image misses. */
export interface Noted {
  /** What is missing of it directly: blobs of an image, manifests of an index and the blobs of those that are stored. */
  readonly missing: number;
  readonly bytes: number;
  /** Bytes of the images that are larger than `maxBytes` and are left to clients. */
  readonly tooLargeBytes: number;
}

/** A pulled image is looked at again after so long, in milliseconds: content can get lost. */
const LOOK_AGAIN_MS = 10 * 60_000;
/** How long clients have to ask for it themselves before it is fetched, in milliseconds. */
const CLIENTS_FIRST_MS = 2_000;
const MAX_LOOKED_AT = 50_000;
const MAX_LOOKS_AT_A_TIME = 4;
const MAX_LOOKS_WAITING = 1_000;

interface Look {
  readonly settings: ProxyCacheSettings;
  readonly until: number;
}

/** Finds out what images miss and writes it down, where the background fetches and the decisions read it (design 5.3). */
export class ImageCompletion {
  /** By identity first: nine pulls in ten are of the same few manifests in memory, and must not pay for a key. */
  readonly #lookedAt = new WeakMap<StoredManifest, Look>();
  readonly #looks = new LRUCache<string, Look>({ max: MAX_LOOKED_AT });
  readonly #noting = new Set<Promise<unknown>>();
  readonly #turns = new BoundedTurns(MAX_LOOKS_AT_A_TIME, MAX_LOOKS_WAITING);

  constructor(private readonly parts: ImageCompletionParts) {}

  /** A client has got a manifest: notes behind its back what the image misses. Waits for nothing, and never throws. */
  pulled(settings: ProxyCacheSettings, repository: ProxiedRepository, manifest: StoredManifest): void {
    if (settings.prefetch === 'off') return;
    const now = this.parts.clock.now();
    const known = this.#lookedAt.get(manifest);
    if (known !== undefined && known.settings === settings && now < known.until) return;
    const key = contentKey(repository, manifest.digest);
    const look = this.#looks.get(key);
    if (look !== undefined && look.settings === settings && now < look.until) {
      this.#lookedAt.set(manifest, look);
      return;
    }
    const next = { settings, until: now + LOOK_AGAIN_MS };
    if (!this.#turns.run(() => this.#look(settings, repository, manifest, key))) return;
    this.#looks.set(key, next);
    this.#lookedAt.set(manifest, next);
  }

  /**
   * A tag is about to move: notes what the new image misses of what the old one had (design 5.4), before the tag points to
   * it, and resolves to the image that is kept until that is there.
   */
  async beforeMove(
    settings: ProxyCacheSettings,
    { repository, tag }: TagKey,
    entry: CachedTag,
    manifest: StoredManifest,
  ): Promise<PreviousImage | undefined> {
    try {
      const last = await this.#lastComplete(repository, entry);
      // Nothing to protect: what the new one misses is noted when somebody pulls it.
      if (last === undefined) return undefined;
      const missing = await this.#noteWanted(settings, repository, manifest, last.platforms);
      return missing === 0 ? undefined : last.image;
    } catch (error) {
      // The new image can be had all the same; only what protects from its halves is missing.
      const fields = { err: error, organization: repository.organization, repository: repository.name, tag };
      this.parts.logger.warn(fields, 'what a moved tag misses could not be found out');
      return entry.previous;
    }
  }

  /**
   * Looks into the store, whatever was noted, for what the image of a tag misses of what the one before it had, and notes
   * that. Resolves to how much it is.
   */
  async lookAgain(settings: ProxyCacheSettings, { repository }: TagKey, entry: CachedTag): Promise<number> {
    const manifest = await this.parts.contents.manifest(repository, entry.digest);
    if (manifest === undefined) return 1;
    if (entry.previous === undefined) return 0;
    const { platforms } = await this.#oldImage(repository, entry.previous.digest);
    return this.#noteWanted(settings, repository, manifest, platforms);
  }

  /** Notes what an image misses, for whoever wants it. */
  async note(repository: ProxiedRepository, manifest: StoredManifest, wish: CompletionWish): Promise<Noted> {
    const needs = imageNeeds(manifest);
    return needs.kind === 'image'
      ? this.#noteImage(repository, manifest.digest, needs, wish)
      : this.#noteIndex(repository, manifest.digest, needs, wish);
  }

  /**
   * What an image misses of what was asked for: of an index, of its platforms as well. Without the platforms that nobody
   * has asked for, and without what only describes its images. Empty when it is complete.
   */
  async missingOf(repository: ProxiedRepository, digest: Digest): Promise<readonly MissingContent[]> {
    const listed = await this.parts.contents.listed(repository, digest);
    const descriptions = new Set(listed.filter((each) => !isRunnable(each)).map((each) => each.digest));
    const below = listed.filter(isRunnable).map((each) => each.digest);
    const rows = await this.parts.table.missingOf(repository, [digest, ...below]);
    return rows.filter((row) => row.priority !== PRIORITIES.otherPlatforms && !descriptions.has(row.digest));
  }

  /** What was given up of an image that somebody still waits for is tried again, at the longest back-off. */
  async retry(repository: ProxiedRepository, missing: readonly MissingContent[]): Promise<void> {
    const triedBefore = this.parts.clock.now() - MAX_BACK_OFF_MS;
    const due = missing.filter(
      ({ state, failure }) => state === 'given_up' && failure !== undefined && failure.at <= triedBefore,
    );
    if (due.length === 0) return;
    const digests = due.map(({ digest }) => digest);
    await this.parts.table.queueAgain(repository, digests, triedBefore, this.parts.clock.now());
    this.parts.onNoted();
  }

  /** A blob was stored. Never throws: a row too many is found to be one when its turn comes. */
  blobStored(repository: ProxiedRepository, digest: Digest): void {
    this.#note(this.parts.table.stored(repository, digest), digest, 'that content is not missing any more');
  }

  /**
   * A client's pull of content has failed: if an image misses it, that is known from now on (design 5.4), also where nothing
   * is fetched in the background. Never throws.
   */
  pullFailed(settings: ProxyCacheSettings, repository: ProxiedRepository, digest: Digest, error: unknown): void {
    if (!isUpstreamError(error)) return;
    const { table, health, clock } = this.parts;
    const failure = missingFailure(error, health.scopeOf(settings).origin, clock.now());
    this.#note(table.failed(repository, digest, failure), digest, 'why content is missing');
  }

  /** A manifest was stored: what its image misses is missing in its place. Never rejects. */
  async manifestStored(repository: ProxiedRepository, manifest: StoredManifest): Promise<void> {
    try {
      const row = await this.parts.table.find(repository, manifest.digest);
      if (row === undefined) return;
      // Before the row goes, so that the index above never looks complete in between.
      await this.note(repository, manifest, {
        wantedBy: row.wantedBy,
        priority: row.priority,
        maxBytes: row.maxBytes,
      });
      await this.parts.table.stored(repository, manifest.digest);
    } catch (error) {
      this.parts.logger.warn({ err: error, digest: manifest.digest }, 'what a manifest misses could not be noted');
    }
  }

  /** Forgets the looks that wait, and resolves when those under way have ended. */
  async close(): Promise<void> {
    await this.#turns.close();
    await Promise.all(this.#noting);
  }

  #note(written: Promise<void>, digest: Digest, what: string): void {
    const noting = written
      .catch((error: unknown) => {
        this.parts.logger.warn({ err: error, digest }, `${what} could not be noted`);
      })
      .finally(() => this.#noting.delete(noting));
    this.#noting.add(noting);
  }

  /** Never rejects. */
  async #look(
    settings: ProxyCacheSettings,
    repository: ProxiedRepository,
    manifest: StoredManifest,
    key: string,
  ): Promise<void> {
    try {
      const wish = { wantedBy: 'pull', maxBytes: settings.prefetchMaxBytes } as const;
      const needs = imageNeeds(manifest);
      if (needs.kind === 'image') {
        await this.#noteImage(repository, manifest.digest, needs, { ...wish, priority: PRIORITIES.pulled });
      } else if (settings.prefetch === 'all_platforms') {
        const priority = PRIORITIES.otherPlatforms;
        await this.#noteIndex(repository, manifest.digest, needs, { ...wish, priority, platforms: 'all' });
      }
      await this.parts.signatures.pulled(settings, repository, manifest);
    } catch (error) {
      this.#looks.delete(key);
      this.#lookedAt.delete(manifest);
      const content = { organization: repository.organization, repository: repository.name, digest: manifest.digest };
      this.parts.logger.warn({ err: error, ...content }, 'what an image misses could not be found out');
    }
  }

  /** The last complete image of a tag, and the platforms of it that are: the one that it points to, or the one before. */
  async #lastComplete(
    repository: ProxiedRepository,
    { digest, confirmedAt, previous }: CachedTag,
  ): Promise<{ readonly image: PreviousImage; readonly platforms: WantedPlatforms } | undefined> {
    const old = await this.#oldImage(repository, digest);
    if (old.isComplete) return { image: { digest, confirmedAt }, platforms: old.platforms };
    if (previous === undefined) return undefined;
    return { image: previous, platforms: (await this.#oldImage(repository, previous.digest)).platforms };
  }

  /** Whether an image was complete, and the platforms that were. */
  async #oldImage(
    repository: ProxiedRepository,
    digest: Digest,
  ): Promise<{ readonly isComplete: boolean; readonly platforms: WantedPlatforms }> {
    const { contents, table } = this.parts;
    const needs = await contents.needsOf(repository, digest);
    if (needs === undefined) return { isComplete: false, platforms: new Set() };
    if (needs.kind === 'image') {
      const isComplete = (await contents.missing(repository, needs.blobs)).length === 0;
      return {
        isComplete,
        platforms: namedOnly(isComplete ? [await contents.platformOf(repository, needs.config)] : []),
      };
    }
    const stored = await contents.storedPlatforms(repository, digest);
    const complete = stored.filter(({ missing }) => missing.length === 0);
    // A platform that is stored in part was asked for, unless it is known to be there for the sake of completeness only.
    const partial = stored.filter(({ missing }) => missing.length > 0).map(({ listed }) => listed.digest);
    const rows = await table.missingOf(repository, partial);
    const nobodyAsked = (manifest: Digest) => {
      const own = rows.filter(({ neededBy }) => neededBy.includes(manifest));
      return own.length > 0 && own.every(({ priority }) => priority === PRIORITIES.otherPlatforms);
    };
    return {
      isComplete: complete.length > 0 && partial.every(nobodyAsked),
      platforms: namedOnly(complete.map(({ listed }) => listed.platform)),
    };
  }

  /** Notes what a new image misses; resolves to how much of that is of what the old one had. */
  async #noteWanted(
    settings: ProxyCacheSettings,
    repository: ProxiedRepository,
    manifest: StoredManifest,
    platforms: WantedPlatforms,
  ): Promise<number> {
    // Where nothing is fetched in the background there is nothing to limit.
    const maxBytes = settings.prefetch === 'off' ? Number.MAX_SAFE_INTEGER : settings.prefetchMaxBytes;
    const wish = { wantedBy: 'pull', priority: PRIORITIES.pulled, maxBytes } as const;
    const { missing } = await this.note(repository, manifest, { ...wish, platforms });
    if (settings.prefetch === 'all_platforms') {
      await this.note(repository, manifest, { ...wish, platforms: 'all', priority: PRIORITIES.otherPlatforms });
    }
    return missing;
  }

  async #noteImage(
    repository: ProxiedRepository,
    digest: Digest,
    { blobs }: ImageNeeds & { kind: 'image' },
    wish: CompletionWish,
  ): Promise<Noted> {
    const missing = await this.parts.contents.missing(repository, blobs);
    const bytes = missing.reduce((sum, { size }) => sum + size, 0);
    const isTooLarge = bytes > wish.maxBytes;
    if (isTooLarge) {
      this.parts.emit('prefetch-limited', {
        organization: repository.organization,
        repository: repository.name,
        reference: digest,
        bytes,
        maxBytes: wish.maxBytes,
      });
    }
    await this.#write(repository, digest, missing, wish, isTooLarge ? 'too_large' : 'queued');
    return { missing: missing.length, bytes, tooLargeBytes: isTooLarge ? bytes : 0 };
  }

  async #noteIndex(
    repository: ProxiedRepository,
    digest: Digest,
    needs: ImageNeeds & { kind: 'index' },
    wish: CompletionWish,
    depth = 1,
  ): Promise<Noted> {
    const { platforms } = wish;
    if (platforms === undefined) return { missing: 0, bytes: 0, tooLargeBytes: 0 };
    const wanted = manifestsFor(needs, platforms);
    const missing = await this.parts.contents.missing(repository, wanted);
    await this.#write(repository, digest, missing, wish, 'queued');
    const noted = { missing: missing.length, bytes: missing.reduce((sum, { size }) => sum + size, 0) };
    let tooLargeBytes = 0;
    for (const listed of wanted) {
      if (missing.includes(listed)) continue;
      const image = await this.parts.contents.needsOf(repository, listed.digest);
      if (image === undefined || (image.kind === 'index' && depth >= MAX_NESTED)) continue;
      const below =
        image.kind === 'image'
          ? await this.#noteImage(repository, listed.digest, image, wish)
          : await this.#noteIndex(repository, listed.digest, image, inside(listed, wish), depth + 1);
      noted.missing += below.missing;
      noted.bytes += below.bytes;
      tooLargeBytes += below.tooLargeBytes;
    }
    return { ...noted, tooLargeBytes };
  }

  async #write(
    repository: ProxiedRepository,
    neededBy: Digest,
    contents: readonly NeededContent[],
    { wantedBy, priority, maxBytes }: CompletionWish,
    state: 'queued' | 'too_large',
  ): Promise<void> {
    const at = this.parts.clock.now();
    const notBefore = wantedBy === 'warm' ? at : at + CLIENTS_FIRST_MS;
    if (contents.length === 0) return;
    await this.parts.table.note({
      repository,
      neededBy,
      contents,
      wantedBy,
      priority,
      maxBytes,
      state,
      at,
      notBefore,
    });
    this.parts.onNoted();
  }
}

/** What is wanted of a newer image by what was complete: without a name for it, whatever can be run. */
function namedOnly(platforms: readonly (string | undefined)[]): WantedPlatforms {
  const named = platforms.filter((platform) => platform !== undefined);
  return named.length === platforms.length ? new Set(named) : 'runnable';
}

/** What is wanted of an index that is listed for a platform itself: its images need not name it once more. */
function inside({ platform }: ListedManifest, wish: CompletionWish): CompletionWish {
  return platform === undefined || wish.platforms === 'all' ? wish : { ...wish, platforms: 'runnable' };
}
