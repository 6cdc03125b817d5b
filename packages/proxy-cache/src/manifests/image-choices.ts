import type { Clock, Logger, ProxyCacheSettings, UpstreamFailureClass } from '@breakwater/registry-core';
import { MAX_BACK_OFF_MS } from '../completing/back-off.js';
import type { ImageCompletion } from '../completing/image-completion.js';
import type { ImageContents } from '../completing/image-contents.js';
import type { MissingContent } from '../completing/missing-content.js';
import { chooseImage } from '../decision/choose-image.js';
import type { UpstreamHealth } from '../health/upstream-health.js';
import type { TagKey } from '../ports.js';
import type { CachedTag, PreviousImage } from '../tags/cached-tag.js';
import type { CachedTags } from '../tags/cached-tags.js';

/** What the choice leans on. */
export interface ImageChoicesParts {
  readonly tags: Pick<CachedTags, 'dropPrevious'>;
  readonly completion: Pick<ImageCompletion, 'missingOf' | 'lookAgain' | 'retry' | 'blobStored'>;
  readonly contents: Pick<ImageContents, 'isStored'>;
  readonly health: UpstreamHealth;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** An image that is answered in place of the one that the tag points to, and what keeps that one from being had. */
export interface AnsweredPrevious extends PreviousImage {
  readonly failureClass: UpstreamFailureClass;
}

/** How long a failed attempt to fetch something says that it cannot be had: until the next one is over, in milliseconds. */
const FAILURE_COUNTS_MS = MAX_BACK_OFF_MS + 60_000;
/** The same where only clients have tried, and nobody may try again before the next of them: it is to find out soon. */
const PULL_COUNTS_MS = 60_000;

/** Chooses between the image that a tag points to and the last complete one (design 5.4). */
export class ImageChoices {
  constructor(private readonly parts: ImageChoicesParts) {}

  /** The image to answer in place of the current one; `undefined` for the current one. Asks no upstream. */
  async inPlaceOf(settings: ProxyCacheSettings, key: TagKey, entry: CachedTag): Promise<AnsweredPrevious | undefined> {
    const { previous } = entry;
    if (previous === undefined) return undefined;
    const missing = await this.#missing(settings, key, entry);
    const obstacle = missing?.length === 0 ? undefined : await this.#obstacle(settings, missing ?? []);
    const current = { isComplete: missing?.length === 0, isOutOfReach: obstacle !== undefined };
    const choice = chooseImage(current, previous, settings, this.parts.clock.now());
    if (choice.dropPrevious) await this.#drop(key, entry);
    return choice.answer === 'previous' && obstacle !== undefined ? { ...previous, failureClass: obstacle } : undefined;
  }

  /** What the current image misses, by the store; `undefined` when nobody can say, so that nothing is given away. */
  async #missing(
    settings: ProxyCacheSettings,
    key: TagKey,
    entry: CachedTag,
  ): Promise<readonly MissingContent[] | undefined> {
    const { completion, logger } = this.parts;
    try {
      const missing = await this.#stillMissing(key, entry);
      await completion.retry(key.repository, missing);
      if (missing.length > 0) return missing;
      // What was noted may have been lost, and the previous image would be with it.
      if ((await completion.lookAgain(settings, key, entry)) === 0) return [];
      const noted = await completion.missingOf(key.repository, entry.digest);
      return noted.length > 0 ? noted : undefined;
    } catch (error) {
      logger.warn({ err: error, digest: entry.digest }, 'what an image misses could not be read');
      return undefined;
    }
  }

  /** What was noted and is not stored. */
  async #stillMissing({ repository }: TagKey, { digest }: CachedTag): Promise<readonly MissingContent[]> {
    const { completion, contents } = this.parts;
    const missing: MissingContent[] = [];
    for (const content of await completion.missingOf(repository, digest)) {
      if (await contents.isStored(repository, content)) completion.blobStored(repository, content.digest);
      else missing.push(content);
    }
    return missing;
  }

  /** What keeps the rest of the image from being had; `undefined` when nothing is known to. */
  async #obstacle(
    settings: ProxyCacheSettings,
    missing: readonly MissingContent[],
  ): Promise<UpstreamFailureClass | undefined> {
    const { health, clock } = this.parts;
    const now = clock.now();
    const { down, retryAfterUntil = 0 } = await health.facts(health.scopeOf(settings));
    if (down !== undefined) return down.failureClass;
    if (retryAfterUntil > now) return 'rate_limited';
    const origins = new Set(missing.flatMap(({ failure }) => failure?.origin ?? []));
    const downOrigins = origins.size === 0 ? [] : await health.knownDown();
    const obstacle = missing.find(
      (content) => isOutOfReach(content, now) || downOrigins.includes(content.failure?.origin ?? ''),
    );
    return obstacle?.failure?.failureClass;
  }

  async #drop(key: TagKey, entry: CachedTag): Promise<void> {
    try {
      await this.parts.tags.dropPrevious(key, entry);
    } catch (error) {
      this.parts.logger.warn({ err: error, tag: key.tag }, 'a previous image could not be dropped; it is tried again');
    }
  }
}

/** Whether the last attempt to fetch something says that it cannot be had now. */
function isOutOfReach({ state, attempts, failure }: MissingContent, now: number): boolean {
  if (failure === undefined) return false;
  if (state === 'given_up') return true;
  return now - failure.at <= (attempts > 0 ? FAILURE_COUNTS_MS : PULL_COUNTS_MS);
}
