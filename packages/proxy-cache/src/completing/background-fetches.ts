import { randomUUID } from 'node:crypto';
import {
  type Clock,
  isRegistryError,
  type Logger,
  type ProxyCacheSettings,
  type ProxyCacheSettingsReader,
  type UpstreamFailureClass,
} from '@breakwater/registry-core';
import { isQuotaFull } from '../blobs/storage-failure.js';
import type { Emit } from '../events.js';
import { mayAskBehindClients } from '../health/may-ask-behind-clients.js';
import type { UpstreamHealth } from '../health/upstream-health.js';
import type { MissingContentTable, Source } from '../postgres/missing-content-table.js';
import { isUpstreamError, type UpstreamError } from '../upstream/upstream-error.js';
import { statusFacts } from '../upstream-failures.js';
import { backOffMs, MAX_ATTEMPTS } from './back-off.js';
import type { ContentFetch } from './content-fetch.js';
import type { ImageContents } from './image-contents.js';
import { type MissingContent, missingFailure, type WantedBy } from './missing-content.js';

/** What background fetches lean on. */
export interface BackgroundFetchesParts {
  readonly table: MissingContentTable;
  readonly contents: ImageContents;
  readonly fetch: ContentFetch;
  readonly settings: ProxyCacheSettingsReader;
  readonly health: UpstreamHealth;
  readonly clock: Clock;
  readonly emit: Emit;
  readonly logger: Logger;
}

/** How many fetches run at a time in a process, and for one organization. */
const MAX_AT_A_TIME = 4;
const MAX_PER_ORGANIZATION = 2;
/** For how long a claim holds, and how long before its end it is renewed (P10). Milliseconds. */
const LEASE_MS = 30_000;
const RENEW_EVERY_MS = 10_000;
/** How many upstreams are looked through in one go, and how many of those behind an origin. */
const SOURCES_AT_A_TIME = 100;
/** How long nothing is looked for after nothing was found, unless something is noted here. Milliseconds. */
const IDLE_MS = 5_000;
/** How long what failed for reasons of our own is left alone, in milliseconds. */
const OWN_FAILURE_MS = 10_000;
/** How long what a quota has no room for is left alone, in milliseconds: garbage collection may make some. */
const QUOTA_MS = 60_000;
/** The upstream says no: to ask again at once would be in vain. */
const REFUSALS: ReadonlySet<UpstreamFailureClass> = new Set(['removed', 'denied', 'blocked']);

/**
 * Fetches what is missing, behind client traffic: the rows of `missing_content` are its queue, so that a restart goes on
 * where it was and the processes of a cluster share the work. It asks nobody who is known to be down, or whose rate limit
 * is nearly spent (design 5.3).
 */
export class BackgroundFetches {
  readonly #owner = randomUUID();
  readonly #running = new Map<Promise<void>, string>();
  #looking: Promise<void> | undefined;
  #again = false;
  #after: Source | undefined;
  #renewedAt = Number.NEGATIVE_INFINITY;
  /** Monotonic. */
  #idleUntil = 0;
  #closed = false;

  constructor(private readonly parts: BackgroundFetchesParts) {}

  /** As `start`, but seldom while there is nothing to do: to be called every second. */
  tick(): void {
    if (performance.now() >= this.#idleUntil) this.start();
  }

  /** Something was noted here, and will be due soon. */
  wake(): void {
    this.#idleUntil = 0;
  }

  /** Starts what is due, as far as there is room, and waits for none of it. Never throws. */
  start(): void {
    if (this.#closed) return;
    if (this.#looking !== undefined) {
      this.#again = true;
      return;
    }
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
      if (this.#again) {
        this.#again = false;
        this.start();
      }
    });
  }

  /** Fetches one content whose last attempt failed at an origin: the real check of an origin that sends content only. */
  async check(origin: string): Promise<void> {
    const { table } = this.parts;
    for (const source of await table.sourcesFailedAt(origin, SOURCES_AT_A_TIME)) {
      const settings = await this.#settings(source);
      if (settings === undefined || this.#closed || !(await this.#mayAsk(settings))) continue;
      const content = await table.claimAt(source, origin, this.#claim(1));
      if (content === undefined) continue;
      await this.#run(settings, content);
      return;
    }
  }

  /** Starts none any more, waits for those under way, and gives back what was claimed. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#looking;
    await Promise.all(this.#running.keys());
    await this.parts.table.release(this.#owner).catch(() => undefined);
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    try {
      await this.#renew();
      if (this.#room() === 0) return;
      const sources = await this.parts.table.sources(this.#after, SOURCES_AT_A_TIME);
      const isIdle = sources.length === 0 && this.#after === undefined && this.#running.size === 0;
      this.#idleUntil = isIdle ? performance.now() + IDLE_MS : 0;
      const down = sources.length === 0 ? [] : await this.parts.health.knownDown();
      for (const source of sources) await this.#startOf(source, down);
      // The next look goes on behind the last one, and begins anew at the end.
      this.#after = sources.length === SOURCES_AT_A_TIME ? sources.at(-1) : undefined;
    } catch (error) {
      this.parts.logger.warn({ err: error }, 'what is missing could not be looked through; it is tried again');
    }
  }

  async #startOf(source: Source, down: readonly string[]): Promise<void> {
    const ours = [...this.#running.values()].filter((organization) => organization === source.organization).length;
    const limit = Math.min(this.#room(), MAX_PER_ORGANIZATION - ours);
    if (limit <= 0 || this.#closed) return;
    const settings = await this.#settings(source);
    if (settings === undefined || !(await this.#mayAsk(settings))) return;
    const claimed = await this.parts.table.claim(source, wantedBy(settings), down, this.#claim(limit));
    for (const content of claimed) {
      const running = this.#run(settings, content).finally(() => {
        this.#running.delete(running);
        this.start();
      });
      this.#running.set(running, source.organization);
    }
  }

  #room(): number {
    return MAX_AT_A_TIME - this.#running.size;
  }

  #claim(limit: number) {
    const now = this.parts.clock.now();
    return { owner: this.#owner, now, until: now + LEASE_MS, limit };
  }

  async #renew(): Promise<void> {
    const now = this.parts.clock.now();
    if (this.#running.size === 0 || now - this.#renewedAt < RENEW_EVERY_MS) return;
    this.#renewedAt = now;
    await this.parts.table.renew(this.#owner, now + LEASE_MS);
  }

  /** The settings of the organization, if it is still the upstream's. */
  async #settings({ organization, upstream }: Source): Promise<ProxyCacheSettings | undefined> {
    const settings = await this.parts.settings.find(organization);
    return settings?.upstream === upstream ? settings : undefined;
  }

  #mayAsk(settings: ProxyCacheSettings): Promise<boolean> {
    return mayAskBehindClients(this.parts.health, this.parts.clock, settings);
  }

  /** Never rejects. */
  async #run(settings: ProxyCacheSettings, content: MissingContent): Promise<void> {
    try {
      await this.#fetch(settings, content);
    } catch (error) {
      await this.#failed(settings, content, error).catch((cause: unknown) => {
        this.parts.logger.warn({ err: cause, ...about(content) }, 'a failed background fetch could not be noted');
      });
    }
  }

  async #fetch(settings: ProxyCacheSettings, content: MissingContent): Promise<void> {
    const { table, contents, fetch, emit } = this.parts;
    const { repository, digest, kind, size: bytes } = content;
    if (!(await this.#isNeeded(content)) || (await contents.isStored(repository, content))) {
      await table.remove(repository, digest);
      return;
    }
    // The row goes when the content is stored, whoever has fetched it.
    await (kind === 'blob'
      ? fetch.blob(settings, repository, digest, bytes)
      : fetch.manifest(settings, repository, digest));
    await table.stored(repository, digest);
    emit('prefetched', { ...about(content), kind, bytes });
  }

  /** Whether a manifest that refers to it is still stored. */
  async #isNeeded({ repository, neededBy }: MissingContent): Promise<boolean> {
    for (const digest of neededBy) {
      if (await this.parts.contents.isStored(repository, { kind: 'manifest', digest, size: 0 })) return true;
    }
    return false;
  }

  async #failed(settings: ProxyCacheSettings, content: MissingContent, error: unknown): Promise<void> {
    const { table, health, clock, logger } = this.parts;
    const now = clock.now();
    if (!isUpstreamError(error) || this.#closed) {
      // Ours, not the upstream's: a store that is full, too many downloads of clients, a shutdown.
      if (!this.#closed && !isRegistryError(error))
        logger.warn({ err: error, ...about(content) }, 'a background fetch failed');
      await table.putOff(content, this.#closed ? now : now + (isQuotaFull(error) ? QUOTA_MS : OWN_FAILURE_MS));
      return;
    }
    const attempts = content.attempts + 1;
    const isGivenUp = givesUp(attempts, error.failureClass);
    await table.putOff(content, now + backOffMs(attempts, Math.random()), {
      ...missingFailure(error, health.scopeOf(settings).origin, now),
      state: isGivenUp ? 'given_up' : 'queued',
    });
    // Not once more for what was given up before, and tried again for an image that somebody waits for.
    const wasGivenUp = content.attempts > 0 && givesUp(content.attempts, content.failure?.failureClass);
    if (isGivenUp && !wasGivenUp) this.#tellGivenUp(content, error);
  }

  #tellGivenUp(content: MissingContent, error: UpstreamError): void {
    this.parts.emit('prefetch-failed', {
      ...about(content),
      failureClass: error.failureClass,
      ...statusFacts(error),
    });
  }
}

/** Where prefetch is off only what was asked for by hand is fetched. */
function wantedBy({ prefetch }: ProxyCacheSettings): WantedBy | undefined {
  return prefetch === 'off' ? 'warm' : undefined;
}

/** Whether content is given up after so many attempts in vain, the last of which failed with this. */
function givesUp(attempts: number, failureClass: UpstreamFailureClass | undefined): boolean {
  return attempts >= MAX_ATTEMPTS || (failureClass !== undefined && REFUSALS.has(failureClass));
}

function about({ repository, digest }: MissingContent) {
  return { organization: repository.organization, repository: repository.name, reference: digest };
}
