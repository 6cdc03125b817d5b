import {
  type Clock,
  type Digest,
  formatReference,
  type ProxyCacheSettings,
  type Reference,
  type StoredManifest,
  type Tag,
} from '@breakwater/registry-core';
import type { ImageCompletion } from '../completing/image-completion.js';
import { decideAnswer } from '../decision/decide-answer.js';
import { decidePull, type PullDecision } from '../decision/decide-pull.js';
import { ageMs, effectiveCheckIntervalS } from '../decision/freshness.js';
import { type Emit, type IsHeard, type RequestIdSource, requestFacts } from '../events.js';
import { rateLimited, type UpstreamHealth } from '../health/upstream-health.js';
import type { ProxiedRepository, TagKey } from '../ports.js';
import type { RememberedRefusals } from '../remembered-refusals.js';
import type { CachedTag } from '../tags/cached-tag.js';
import { type CachedTags, tagKeyText } from '../tags/cached-tags.js';
import type { DigestUses } from '../tags/digest-uses.js';
import type { Deadlines } from '../upstream/deadlines.js';
import { upstreamEndpoint } from '../upstream/endpoint.js';
import type { UpstreamClient } from '../upstream/upstream-client.js';
import { isUpstreamError, type UpstreamError } from '../upstream/upstream-error.js';
import { statusFacts, type UpstreamFailures } from '../upstream-failures.js';
import { OVERDUE, withinBudget } from '../within-budget.js';
import { forwardedHeaders, hitHeaders, shieldedHeaders } from './cache-headers.js';
import { fetchManifest } from './fetch-manifest.js';
import { contentKey, type HotManifests } from './hot-manifests.js';
import type { AnsweredPrevious, ImageChoices } from './image-choices.js';
import type { PulledManifest, ShieldedFacts } from './pulled-manifest.js';
import { type CheckResult, shuttingDown, type TagChecks } from './tag-checks.js';

/** What pulls of manifests lean on. */
export interface PullThroughManifestsParts {
  readonly tags: CachedTags;
  readonly digestUses: DigestUses;
  readonly manifests: HotManifests;
  readonly checks: TagChecks;
  readonly choices: ImageChoices;
  readonly completion: Pick<ImageCompletion, 'pullFailed'>;
  readonly health: UpstreamHealth;
  readonly upstreams: UpstreamClient;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
  readonly emit: Emit;
  readonly isHeard: IsHeard;
  readonly failures: UpstreamFailures;
  readonly refusals: RememberedRefusals;
}

/** One pull of a tag. */
interface TagPull {
  readonly settings: ProxyCacheSettings;
  readonly key: TagKey;
  readonly requestId: RequestIdSource | undefined;
}

/** Pulls of manifests: from the cache where the decision allows it, else from the upstream. */
export class PullThroughManifests {
  readonly #fetching = new Map<string, Promise<StoredManifest>>();
  readonly #closing = new AbortController();
  readonly #masked = new WeakSet<UpstreamError>();

  constructor(private readonly parts: PullThroughManifestsParts) {}

  /**
   * @throws UpstreamError when the upstream fails and nothing may be served instead
   * @throws RegistryError for failures of our own store
   */
  pull(
    settings: ProxyCacheSettings,
    repository: ProxiedRepository,
    reference: Reference,
    requestId?: RequestIdSource,
  ): Promise<PulledManifest> {
    return reference.kind === 'tag'
      ? this.#pullTag({ settings, key: { repository, tag: reference.tag }, requestId })
      : this.#pullDigest(settings, repository, reference.digest, requestId);
  }

  /**
   * The answer to a pull that needs nothing but memory; `undefined` when it needs more. Nine pulls in ten end here.
   */
  pullHot(
    settings: ProxyCacheSettings,
    repository: ProxiedRepository,
    reference: Reference,
  ): PulledManifest | undefined {
    const { manifests, tags, digestUses, clock } = this.parts;
    // The text of a key is made once: to join and hash it costs more than the look-ups do.
    if (reference.kind === 'digest') {
      const text = contentKey(repository, reference.digest);
      const manifest = manifests.hot(text);
      if (manifest === undefined) return undefined;
      digestUses.note(repository, reference.digest, text);
      this.#tellPull(repository, reference, 'hit');
      return { manifest, headers: hitHeaders() };
    }
    const key = { repository, tag: reference.tag };
    const text = tagKeyText(key);
    const entry = tags.hot(text);
    // Which of two images it is takes more than memory.
    if (entry === undefined || entry.previous !== undefined) return undefined;
    const now = clock.now();
    // Health can only call off a check ahead, so it is not looked at before one is due.
    const decision = decidePull(entry, settings, {}, now);
    if (decision.kind !== 'serve') return undefined;
    const manifest = manifests.hot(contentKey(repository, entry.digest));
    if (manifest === undefined) return undefined;
    const decided = decision.checkAhead ? this.#decide(settings, entry, now) : decision;
    const checkAhead = decided.kind === 'serve' && decided.checkAhead;
    tags.noteUse(key, text);
    return this.#serveFresh({ settings, key, requestId: undefined }, entry, manifest, checkAhead, now);
  }

  /** Whether a pull of it could be answered without the upstream, now or in an outage. */
  async isCached(repository: ProxiedRepository, reference: Reference): Promise<boolean> {
    const { tags, manifests } = this.parts;
    return reference.kind === 'tag'
      ? (await tags.load({ repository, tag: reference.tag })) !== undefined
      : (await manifests.get(repository, reference.digest)) !== undefined;
  }

  /** Fetches a manifest by its digest into the store, for nobody in particular. Rejects as `pull` does. */
  async fetch(settings: ProxyCacheSettings, repository: ProxiedRepository, digest: Digest): Promise<void> {
    await this.#fetchShared(settings, repository, digest, undefined);
  }

  /** Ends the fetches under way, and waits until they are gone. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled([...this.#fetching.values()]);
  }

  /** The age of what this process has in memory of a tag, in milliseconds. */
  ageMs(repository: ProxiedRepository, tag: Tag): number | undefined {
    const entry = this.parts.tags.hot(tagKeyText({ repository, tag }));
    return entry === undefined ? undefined : ageMs(entry, this.parts.clock.now());
  }

  async #pullTag(pull: TagPull): Promise<PulledManifest> {
    const { tags, health } = this.parts;
    const { settings } = pull;
    const [loaded] = await Promise.all([tags.load(pull.key), health.facts(health.scopeOf(settings))]);
    // A check may have ended since the row was read: what it wrote is in memory, and need not be asked for again (P11).
    const entry = tags.hot(tagKeyText(pull.key)) ?? loaded;
    const now = this.parts.clock.now();
    const decision = this.#decide(settings, entry, now);
    tags.noteUse(pull.key);
    switch (decision.kind) {
      case 'serve':
        if (entry === undefined) break;
        return (
          (await this.#previous(pull, entry)) ??
          this.#serveFresh(pull, entry, await this.#stored(pull, entry), decision.checkAhead, now)
        );
      case 'shield':
        if (entry === undefined) break;
        return this.#serveShielded(pull, entry, { why: 'outage', failureClass: decision.failureClass });
      case 'refuse':
        throw rateLimited(decision.retryAfterMs);
      case 'ask':
        return this.#askAndServe(pull, entry, decision);
    }
    throw new Error('a tag that is not cached can neither be fresh nor stale');
  }

  async #askAndServe(
    pull: TagPull,
    entry: CachedTag | undefined,
    decision: PullDecision & { kind: 'ask' },
  ): Promise<PulledManifest> {
    const { requestId } = pull;
    const check = this.parts.checks.start(pull.key, pull.settings, entry, requestId === undefined ? {} : { requestId });
    const result =
      decision.budget === 'check'
        ? await withinBudget(check.result, this.parts.deadlines.checkBudgetMs)
        : await check.result;
    if (result === OVERDUE) {
      // Told to health at once, so that no other pull waits for the same silence.
      return this.#afterFailure(pull, entry, decision.state, await check.overdue());
    }
    return this.#afterCheck(pull, entry, decision.state, result);
  }

  async #afterCheck(
    pull: TagPull,
    entry: CachedTag | undefined,
    state: 'absent' | 'stale' | 'lapsed',
    result: CheckResult,
  ): Promise<PulledManifest> {
    const reference = tagReference(pull);
    switch (result.kind) {
      case 'failed':
        return this.#afterFailure(pull, entry, state, result.error);
      case 'same': {
        const previous = await this.#previous(pull, result.entry);
        if (previous !== undefined) return previous;
        const manifest = await this.#stored(pull, result.entry);
        this.#tellPull(pull.key.repository, reference, 'revalidated');
        return { manifest, headers: forwardedHeaders('stale', false) };
      }
      case 'moved': {
        const previous = await this.#previous(pull, result.entry);
        if (previous !== undefined) return previous;
        this.#tellPull(pull.key.repository, reference, state === 'absent' ? 'miss' : 'moved');
        return {
          manifest: result.manifest,
          headers: forwardedHeaders(state === 'absent' ? 'uri-miss' : 'stale', true),
        };
      }
    }
  }

  async #afterFailure(
    pull: TagPull,
    entry: CachedTag | undefined,
    state: 'absent' | 'stale' | 'lapsed',
    error: UpstreamError,
  ): Promise<PulledManifest> {
    const answer = decideAnswer(state, { kind: 'failed', failureClass: error.failureClass }, pull.settings);
    if (answer.kind !== 'shield' || entry === undefined) throw error;
    const facts = { failureClass: error.failureClass, ...statusFacts(error) };
    // One check that failed is one masked error, also when many pulls have waited for it.
    if (!this.#masked.has(error)) {
      this.#masked.add(error);
      this.parts.emit('masked-error', { ...about(pull), ...facts, ageMs: ageMs(entry, this.parts.clock.now()) });
    }
    return this.#serveShielded(pull, entry, { why: answer.why, ...facts });
  }

  /** The previous image of a tag, where the one that it points to now cannot be had whole (design 5.4). */
  async #previous(pull: TagPull, entry: CachedTag): Promise<PulledManifest | undefined> {
    if (entry.previous === undefined) return undefined;
    const answered = await this.parts.choices.inPlaceOf(pull.settings, pull.key, entry);
    return answered === undefined ? undefined : this.#serveImage(pull, answered, incomplete(answered));
  }

  #serveFresh(
    pull: TagPull,
    entry: CachedTag,
    manifest: StoredManifest,
    checkAhead: boolean,
    now: number,
  ): PulledManifest {
    if (checkAhead) this.parts.checks.start(pull.key, pull.settings, entry);
    this.#tellPull(pull.key.repository, tagReference(pull), 'hit');
    const age = ageMs(entry, now);
    return { manifest, headers: hitHeaders(age, effectiveCheckIntervalS(pull.settings) * 1000 - age) };
  }

  async #serveShielded(pull: TagPull, entry: CachedTag, shielded: ShieldedFacts): Promise<PulledManifest> {
    return (await this.#previous(pull, entry)) ?? this.#serveImage(pull, entry, shielded);
  }

  async #serveImage(
    pull: TagPull,
    entry: Pick<CachedTag, 'digest' | 'confirmedAt'>,
    shielded: ShieldedFacts,
  ): Promise<PulledManifest> {
    const { clock, emit } = this.parts;
    const manifest = await this.#stored(pull, entry);
    const age = ageMs(entry, clock.now());
    this.#tellPull(pull.key.repository, tagReference(pull), 'shielded');
    emit('shielded-pull', { ...about(pull), digest: entry.digest, ageMs: age, ...shielded });
    const { displayName } = upstreamEndpoint(pull.settings);
    return { manifest, headers: shieldedHeaders(displayName, shielded, age) };
  }

  /** The manifest that a cached tag points to. If the store has lost it, it is fetched again by its digest. */
  async #stored({ settings, key, requestId }: TagPull, entry: Pick<CachedTag, 'digest'>): Promise<StoredManifest> {
    const stored = await this.parts.manifests.get(key.repository, entry.digest);
    return stored ?? this.#fetchShared(settings, key.repository, entry.digest, requestId);
  }

  async #pullDigest(
    settings: ProxyCacheSettings,
    repository: ProxiedRepository,
    digest: Digest,
    requestId: RequestIdSource | undefined,
  ): Promise<PulledManifest> {
    const { manifests, digestUses } = this.parts;
    const reference: Reference = { kind: 'digest', digest };
    const stored = await manifests.get(repository, digest);
    if (stored !== undefined) {
      digestUses.note(repository, digest);
      this.#tellPull(repository, reference, 'hit');
      return { manifest: stored, headers: hitHeaders() };
    }
    const manifest = await this.#fetchShared(settings, repository, digest, requestId);
    digestUses.note(repository, digest);
    this.#tellPull(repository, reference, 'miss');
    return { manifest, headers: forwardedHeaders('uri-miss', true) };
  }

  #fetchShared(
    settings: ProxyCacheSettings,
    repository: ProxiedRepository,
    digest: Digest,
    requestId: RequestIdSource | undefined,
  ): Promise<StoredManifest> {
    const key = contentKey(repository, digest);
    const inFlight = this.#fetching.get(key);
    if (inFlight !== undefined) return inFlight;
    const fetching = this.#fetch(settings, repository, digest, requestId).finally(() => this.#fetching.delete(key));
    this.#fetching.set(key, fetching);
    return fetching;
  }

  async #fetch(
    settings: ProxyCacheSettings,
    repository: ProxiedRepository,
    digest: Digest,
    requestId: RequestIdSource | undefined,
  ): Promise<StoredManifest> {
    const { upstreams, health, deadlines, manifests, emit, failures, refusals, completion } = this.parts;
    const refusalKey = `manifest\n${contentKey(repository, digest)}\n${settings.credentialVersion}`;
    const refused = refusals.find(refusalKey);
    if (refused !== undefined) throw refused;
    const reference: Reference = { kind: 'digest', digest };
    const content = { repository: repository.name, reference: digest };
    await health.assertMayAsk(settings);
    emit('upstream-request', { organization: repository.organization, ...content, purpose: 'manifest' });
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(deadlines.clientBudgetMs), this.#closing.signal]);
      const manifest = await fetchManifest(upstreams.registry(settings), repository.name, reference, signal);
      await health.succeeded(health.scopeOf(settings));
      await manifests.put(repository, manifest);
      return manifest;
    } catch (error) {
      if (isUpstreamError(error)) {
        if (this.#closing.signal.aborted) throw shuttingDown();
        refusals.note(refusalKey, error);
        failures.tell(settings, content, error, requestId);
        completion.pullFailed(settings, repository, digest, error);
        await health.failed(health.scopeOf(settings), error, false);
      }
      throw error;
    }
  }

  #decide(settings: ProxyCacheSettings, entry: CachedTag | undefined, now: number): PullDecision {
    const { health } = this.parts;
    return decidePull(entry, settings, health.peek(health.scopeOf(settings)), now);
  }

  #tellPull(
    repository: ProxiedRepository,
    reference: Reference,
    result: 'hit' | 'miss' | 'revalidated' | 'moved' | 'shielded',
  ): void {
    if (!this.parts.isHeard('pull')) return;
    this.parts.emit('pull', {
      organization: repository.organization,
      repository: repository.name,
      reference: formatReference(reference),
      kind: 'manifest',
      result,
    });
  }
}

function incomplete({ failureClass }: AnsweredPrevious): ShieldedFacts {
  return { why: 'incomplete', failureClass };
}

function tagReference({ key }: TagPull): Reference {
  return { kind: 'tag', tag: key.tag };
}

function about({ key, requestId }: TagPull) {
  return {
    organization: key.repository.organization,
    repository: key.repository.name,
    reference: key.tag,
    ...requestFacts(requestId),
  };
}
