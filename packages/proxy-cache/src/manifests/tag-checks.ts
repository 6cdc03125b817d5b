import {
  type Clock,
  type Digest,
  formatReference,
  type Logger,
  type ProxyCacheSettings,
  type Reference,
  RegistryError,
  type StoredManifest,
  type UpstreamFailureClass,
} from '@breakwater/registry-core';
import type { ImageCompletion } from '../completing/image-completion.js';
import type { Emit, RequestIdSource } from '../events.js';
import type { Claimable } from '../health/claimable.js';
import type { UpstreamHealth } from '../health/upstream-health.js';
import type { ProxiedRepository, TagKey } from '../ports.js';
import type { RememberedRefusals } from '../remembered-refusals.js';
import type { CachedTag, PreviousOnMove } from '../tags/cached-tag.js';
import { type CachedTags, tagKeyText } from '../tags/cached-tags.js';
import type { Deadlines } from '../upstream/deadlines.js';
import type { UpstreamClient } from '../upstream/upstream-client.js';
import { isUpstreamError, UpstreamError } from '../upstream/upstream-error.js';
import type { UpstreamRegistry } from '../upstream/upstream-registry.js';
import type { UpstreamFailures } from '../upstream-failures.js';
import { fetchManifest } from './fetch-manifest.js';
import type { HotManifests } from './hot-manifests.js';

/** What came of a check. The cached tag is as it is after the check. */
export type CheckResult =
  | { readonly kind: 'same'; readonly entry: CachedTag }
  | { readonly kind: 'moved'; readonly entry: CachedTag; readonly manifest: StoredManifest }
  | { readonly kind: 'failed'; readonly error: UpstreamError };

/** A check that is under way, shared by all that wait for it. */
export interface RunningCheck {
  /** Rejects only for failures of our own. */
  readonly result: Promise<CheckResult>;
  /** Tells it that a pull waited for the whole check budget in vain. Resolves to one failure for all such pulls. */
  overdue(): Promise<UpstreamError>;
}

type SharedCheck = Claimable<RunningCheck> & {
  /** A pull waits for it as well. */
  join(): void;
};

/** Asks upstreams about tags: one request for all that want to know, and its outcome written down before it is told. */
export class TagChecks {
  readonly #running = new Map<string, SharedCheck>();
  readonly #closing = new AbortController();

  constructor(
    private readonly upstreams: UpstreamClient,
    private readonly tags: CachedTags,
    private readonly manifests: HotManifests,
    private readonly health: UpstreamHealth,
    private readonly deadlines: Deadlines,
    private readonly clock: Clock,
    private readonly emit: Emit,
    private readonly failures: UpstreamFailures,
    private readonly completion: Pick<ImageCompletion, 'beforeMove'>,
    private readonly refusals: RememberedRefusals,
    private readonly logger: Logger,
  ) {}

  /**
   * Starts a check, or joins the one under way. `claimed` marks the check that ends a window of a known-down upstream;
   * `requestId` is of the request that waits for it, if one does.
   */
  start(
    key: TagKey,
    settings: ProxyCacheSettings,
    entry: CachedTag | undefined,
    { claimed = false, requestId }: { readonly claimed?: boolean; readonly requestId?: RequestIdSource } = {},
  ): RunningCheck {
    const text = `tag\n${tagKeyText(key)}\n${settings.credentialVersion}`;
    const running = this.#running.get(text);
    if (claimed) running?.claim();
    else running?.join();
    if (running !== undefined) return running;
    // Nothing would be asked in place of the check that was claimed.
    const refused = claimed ? undefined : this.refusals.find(text);
    if (refused !== undefined) return answered(refused);
    const check = this.#begin(text, key, settings, entry, claimed, requestId);
    this.#running.set(text, check);
    return check;
  }

  /**
   * Asks the upstream about a manifest for the sake of its health alone: nothing about it is written, so that a collector
   * which wants to know how the upstream is does not make young again what it is about to expire. Resolves to how that
   * failed, if it did.
   */
  async probe(
    repository: ProxiedRepository,
    reference: Reference,
    settings: ProxyCacheSettings,
  ): Promise<UpstreamFailureClass | undefined> {
    const scope = this.health.scopeOf(settings);
    const signal = this.#deadline();
    const asked = about(repository, reference);
    this.emit('upstream-request', { ...asked, purpose: 'check' });
    try {
      const upstream = this.upstreams.registry(settings);
      const { digest } = await upstream.headManifest(repository.name, reference, signal);
      // Who does not answer HEAD may not even have been asked.
      if (digest === undefined) await upstream.getManifest(repository.name, reference, signal);
      await this.health.succeeded(scope);
      return undefined;
    } catch (error) {
      if (!isUpstreamError(error)) throw error;
      if (this.#closing.signal.aborted) throw shuttingDown();
      this.failures.tell(settings, asked, error, undefined);
      await this.health.failed(scope, error, false);
      return error.failureClass;
    }
  }

  /** The same where there is no tag to ask about: asks the upstream who it is. */
  async ping(settings: ProxyCacheSettings): Promise<void> {
    const scope = this.health.scopeOf(settings);
    try {
      await this.upstreams.registry(settings).ping(this.#deadline());
      await this.health.succeeded(scope);
    } catch (error) {
      if (!isUpstreamError(error)) throw error;
      if (this.#closing.signal.aborted) throw shuttingDown();
      await this.health.failed(scope, error, false);
    }
  }

  /** Ends the checks under way. That they did not hear from the upstream says nothing about it. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled([...this.#running.values()].map(({ result }) => result));
  }

  #begin(
    text: string,
    key: TagKey,
    settings: ProxyCacheSettings,
    entry: CachedTag | undefined,
    claimed: boolean,
    requestId: RequestIdSource | undefined,
  ): SharedCheck {
    let isClaimed = claimed;
    let isWanted = !claimed;
    let reported = false;
    const late = new UpstreamError('timeout', 'the upstream did not answer within the check budget');
    const report = async (error: UpstreamError) => {
      if (reported && error.failureClass === 'timeout') return;
      reported = true;
      this.failures.tell(settings, about(key.repository, tagReference(key)), error, requestId);
      await this.health.failed(this.health.scopeOf(settings), error, isClaimed);
    };
    const result = this.#ask(key, settings, entry, () => isWanted, report)
      .then((outcome) => {
        if (outcome.kind === 'failed') this.refusals.note(text, outcome.error);
        return outcome;
      })
      .finally(() => this.#running.delete(text));
    // A check that nobody waits for any more may fail; whoever waits for it sees the failure itself.
    result.catch((error: unknown) => this.logger.warn({ err: error }, 'a check of a tag could not be carried out'));
    return {
      result,
      claim() {
        // What a pull has told of it before does not stand for what comes of it.
        isClaimed = true;
        reported = false;
      },
      join() {
        isWanted = true;
      },
      async overdue() {
        await report(late);
        return late;
      },
    };
  }

  async #ask(
    key: TagKey,
    settings: ProxyCacheSettings,
    entry: CachedTag | undefined,
    isWanted: () => boolean,
    report: (error: UpstreamError) => Promise<void>,
  ): Promise<CheckResult> {
    const askedAt = this.clock.now();
    const signal = this.#deadline();
    try {
      const upstream = this.upstreams.registry(settings);
      const told = entry === undefined ? undefined : await this.#headDigest(key, upstream, signal);
      if (entry !== undefined && told === entry.digest) {
        await this.health.succeeded(this.health.scopeOf(settings));
        const confirmed = await this.tags.confirm(key, entry, askedAt);
        if (confirmed !== undefined) return { kind: 'same', entry: confirmed };
      }
      // Collected meanwhile: what nobody pulls is not made anew for the sake of the upstream's health.
      if (entry !== undefined && !isWanted() && (await this.tags.load(key)) === undefined) {
        return { kind: 'same', entry };
      }
      const manifest = await this.#fetch(key, upstream, signal);
      await this.health.succeeded(this.health.scopeOf(settings));
      if (told !== undefined && told !== manifest.digest)
        this.emit('head-get-mismatch', about(key.repository, tagReference(key)));
      // Stored and linked first, so that a collector never finds the tag pointing at what it is about to remove (G3).
      await this.manifests.put(key.repository, manifest);
      const onMove = await this.#onMove(key, settings, entry, manifest);
      const written = await this.tags.move(key, upstream.endpoint.origin, manifest.digest, askedAt, onMove);
      return entry?.digest === manifest.digest
        ? { kind: 'same', entry: written }
        : { kind: 'moved', entry: written, manifest };
    } catch (error) {
      if (!isUpstreamError(error)) throw error;
      if (this.#closing.signal.aborted) throw shuttingDown();
      await report(error);
      return { kind: 'failed', error };
    }
  }

  /** What becomes of the image that the tag pointed to, and of what the new one misses (design 5.4). */
  async #onMove(
    key: TagKey,
    settings: ProxyCacheSettings,
    entry: CachedTag | undefined,
    manifest: StoredManifest,
  ): Promise<PreviousOnMove | undefined> {
    if (entry === undefined || entry.digest === manifest.digest) return undefined;
    return { from: entry.digest, previous: await this.completion.beforeMove(settings, key, entry, manifest) };
  }

  /** The digest that HEAD tells; `undefined` when it does not. It never decides what is stored: bytes do (S15). */
  async #headDigest(key: TagKey, upstream: UpstreamRegistry, signal: AbortSignal): Promise<Digest | undefined> {
    const reference = tagReference(key);
    this.emit('upstream-request', { ...about(key.repository, reference), purpose: 'check' });
    return (await upstream.headManifest(key.repository.name, reference, signal)).digest;
  }

  async #fetch(key: TagKey, upstream: UpstreamRegistry, signal: AbortSignal): Promise<StoredManifest> {
    this.emit('upstream-request', { ...about(key.repository, tagReference(key)), purpose: 'manifest' });
    return fetchManifest(upstream, key.repository.name, tagReference(key), signal);
  }

  #deadline(): AbortSignal {
    return AbortSignal.any([AbortSignal.timeout(this.deadlines.clientBudgetMs), this.#closing.signal]);
  }
}

/** What is under way when the cache ends fails with it: that says nothing about the upstream. */
export function shuttingDown(): RegistryError {
  return new RegistryError('UNAVAILABLE', 'the registry is shutting down', {
    detail: { reason: 'overload' },
    headers: { 'retry-after': '5' },
    reasonPhrase: 'Registry Shutting Down',
  });
}

function answered(error: UpstreamError): RunningCheck {
  return { result: Promise.resolve({ kind: 'failed', error }), overdue: async () => error };
}

function about({ organization, name }: ProxiedRepository, reference: Reference) {
  return { organization, repository: name, reference: formatReference(reference) };
}

function tagReference({ tag }: TagKey): Reference {
  return { kind: 'tag', tag };
}
