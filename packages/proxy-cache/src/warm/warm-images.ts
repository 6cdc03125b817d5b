import { randomUUID } from 'node:crypto';
import type {
  Clock,
  Digest,
  Logger,
  ProxyCacheSettings,
  ProxyCacheSettingsReader,
  StoredManifest,
} from '@breakwater/registry-core';
import { backOffMs, MAX_ATTEMPTS } from '../completing/back-off.js';
import type { ImageCompletion } from '../completing/image-completion.js';
import { PRIORITIES } from '../completing/missing-content.js';
import { imageNeeds, manifestsFor } from '../completing/needed-content.js';
import type { PulledImages } from '../completing/pulled-images.js';
import { mayAskBehindClients } from '../health/may-ask-behind-clients.js';
import type { UpstreamHealth } from '../health/upstream-health.js';
import type { PullThroughManifests } from '../manifests/pull-through-manifests.js';
import type { Source } from '../postgres/missing-content-table.js';
import type { WarmTable } from '../postgres/warm-table.js';
import { isUpstreamError, type UpstreamError } from '../upstream/upstream-error.js';
import type { ClaimedWarmImage } from './warm-request.js';

/** What warming leans on. */
export interface WarmImagesParts {
  readonly table: WarmTable;
  readonly manifests: Pick<PullThroughManifests, 'pull'>;
  readonly completion: Pick<ImageCompletion, 'note'>;
  /** Hears of each image that is warm or on the way to it. */
  readonly signatures: PulledImages;
  readonly settings: ProxyCacheSettingsReader;
  readonly health: UpstreamHealth;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hears that something waits to be fetched. */
  readonly onNoted: () => void;
}

const MAX_AT_A_TIME = 2;
const SOURCES_AT_A_TIME = 100;
/** Longer than a manifest may take, so that a claim is never renewed. Milliseconds. */
const LEASE_MS = 2 * 60_000;
const OWN_FAILURE_MS = 10_000;
/** How long nothing is looked for after nothing was found, unless it is asked for here. Milliseconds. */
const IDLE_MS = 5_000;

/** Fetches the manifests that were asked for by hand, and notes what their images miss; the rest is the background's. */
export class WarmImages {
  readonly #owner = randomUUID();
  readonly #running = new Set<Promise<void>>();
  #looking: Promise<void> | undefined;
  /** Monotonic. */
  #idleUntil = 0;
  #closed = false;

  constructor(private readonly parts: WarmImagesParts) {}

  /** As `start`, but seldom while there is nothing to do: to be called every second. */
  tick(): void {
    if (performance.now() >= this.#idleUntil) this.start();
  }

  /** Begins with what waits, as far as there is room, and waits for none of it. Never throws. */
  start(): void {
    if (this.#closed || this.#looking !== undefined) return;
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
    });
  }

  /** Starts none any more, waits for those under way, and gives back what was claimed. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#looking;
    await Promise.all(this.#running);
    await this.parts.table.release(this.#owner).catch(() => undefined);
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { table, clock, logger } = this.parts;
    try {
      const isIdle = !(await table.settle());
      this.#idleUntil = isIdle ? performance.now() + IDLE_MS : 0;
      if (isIdle) return;
      for (const source of await table.sources(clock.now(), SOURCES_AT_A_TIME)) await this.#startOf(source);
    } catch (error) {
      logger.warn({ err: error }, 'what is to be warmed could not be looked through; it is tried again');
    }
  }

  async #startOf(source: Source): Promise<void> {
    const { table, settings, clock } = this.parts;
    const limit = MAX_AT_A_TIME - this.#running.size;
    if (limit <= 0 || this.#closed) return;
    const found = await settings.find(source.organization);
    const ours = found?.upstream === source.upstream ? found : undefined;
    if (ours !== undefined && !(await this.#mayAsk(ours))) return;
    const now = clock.now();
    const claimed = await table.claim(source, { owner: this.#owner, now, until: now + LEASE_MS, limit });
    for (const image of claimed) {
      const running = this.#warm(ours, image).finally(() => {
        this.#running.delete(running);
        this.start();
      });
      this.#running.add(running);
    }
  }

  #mayAsk(settings: ProxyCacheSettings): Promise<boolean> {
    return mayAskBehindClients(this.parts.health, this.parts.clock, settings);
  }

  /** Never rejects. */
  async #warm(settings: ProxyCacheSettings | undefined, image: ClaimedWarmImage): Promise<void> {
    const { table, logger } = this.parts;
    try {
      if (settings === undefined) {
        const message = `the organization proxies ${image.upstream} no more`;
        await table.failed(image, { reason: 'not_proxied', message });
        return;
      }
      await this.#begin(settings, image);
      this.parts.onNoted();
    } catch (error) {
      await this.#failed(image, error).catch((cause: unknown) => {
        logger.warn({ err: cause, warm: image.id }, 'that an image could not be warmed could not be noted');
      });
    }
  }

  /** Pulls the manifest as a client does, and notes what the image misses. */
  async #begin(settings: ProxyCacheSettings, image: ClaimedWarmImage): Promise<void> {
    const repository = { organization: image.organization, upstream: image.upstream, name: image.repository };
    const { table, manifests, completion, signatures } = this.parts;
    const { manifest } = await manifests.pull(settings, repository, image.reference);
    const platforms = image.platforms === undefined ? ('all' as const) : new Set(image.platforms);
    await table.found(image, [manifest.digest, ...wantedBelow(manifest, platforms)]);
    await completion.note(repository, manifest, {
      wantedBy: 'warm',
      priority: PRIORITIES.warmed,
      maxBytes: settings.prefetchMaxBytes,
      platforms,
    });
    await signatures.pulled(settings, repository, manifest);
    await table.begun(image);
  }

  async #failed(image: ClaimedWarmImage, error: unknown): Promise<void> {
    const { table, clock, logger } = this.parts;
    const now = clock.now();
    if (isNoPlatform(error)) {
      await table.failed(image, { reason: error.reason, message: error.message });
      return;
    }
    if (!isUpstreamError(error)) {
      logger.warn({ err: error, warm: image.id }, 'an image could not be warmed; it is tried again');
      await table.putOff(image, this.#closed ? now : now + OWN_FAILURE_MS, false);
      return;
    }
    const attempts = image.attempts + 1;
    if (isFinal(error) || attempts >= MAX_ATTEMPTS) {
      await table.failed(image, { reason: error.failureClass, message: error.message });
      return;
    }
    await table.putOff(image, now + backOffMs(attempts, Math.random()), true);
  }
}

/** @throws an error that `isNoPlatform` knows when an index has none of the platforms */
function wantedBelow(manifest: StoredManifest, platforms: 'all' | ReadonlySet<string>): readonly Digest[] {
  const needs = imageNeeds(manifest);
  if (needs.kind === 'image') return [];
  const wanted = manifestsFor(needs, platforms);
  if (wanted.length === 0 && platforms !== 'all') throw noPlatform([...platforms]);
  return wanted.map(({ digest }) => digest);
}

function isFinal({ failureClass }: UpstreamError): boolean {
  return failureClass === 'removed' || failureClass === 'denied' || failureClass === 'blocked';
}

function noPlatform(platforms: readonly string[]): Error & { readonly reason: 'no_platform' } {
  return Object.assign(new Error(`the image has none of the platforms ${platforms.join(', ')}`), {
    reason: 'no_platform' as const,
  });
}

function isNoPlatform(error: unknown): error is ReturnType<typeof noPlatform> {
  return (error as { readonly reason?: unknown } | null)?.reason === 'no_platform';
}
