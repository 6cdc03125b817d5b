import type { Clock, ProxyCacheSettings, RegistryError } from '@breakwater/registry-core';
import type { ExtraHeaders } from '@breakwater/registry-http';
import { decideAnswer } from '../decision/decide-answer.js';
import { decidePull, type PullDecision } from '../decision/decide-pull.js';
import { ageMs, effectiveCheckIntervalS } from '../decision/freshness.js';
import { type Emit, type RequestIdSource, requestFacts } from '../events.js';
import { rateLimited, type UpstreamHealth } from '../health/upstream-health.js';
import { forwardedHeaders, hitHeaders, shieldedHeaders } from '../manifests/cache-headers.js';
import type { ShieldedFacts } from '../manifests/pulled-manifest.js';
import type { Deadlines } from '../upstream/deadlines.js';
import { upstreamEndpoint } from '../upstream/endpoint.js';
import type { UpstreamError } from '../upstream/upstream-error.js';
import { statusFacts } from '../upstream-failures.js';
import { OVERDUE, withinBudget } from '../within-budget.js';
import type { CachedListings } from './cached-listings.js';
import type { CachedListing, Listing } from './listing.js';
import type { ListingChecks, ListingRequest, ListingResult } from './listing-checks.js';

/** A page for a client, and what its answer says about where it came from. */
export interface PulledListing {
  readonly listing: Listing;
  readonly headers: ExtraHeaders;
}

/** What pulls of listings lean on. */
export interface PullThroughListingsParts {
  readonly cached: CachedListings;
  readonly checks: ListingChecks;
  readonly health: UpstreamHealth;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
  readonly emit: Emit;
}

/** One request of a client for a page. */
interface ListingPull {
  readonly settings: ProxyCacheSettings;
  readonly request: ListingRequest;
  readonly requestId: RequestIdSource | undefined;
  readonly entry?: CachedListing;
  /** Why nobody knows what is cached. */
  readonly unreadable?: RegistryError;
}

type AskDecision = PullDecision & { readonly kind: 'ask' };

/**
 * Listings of proxied repositories, page by page, by the decision that pulls of tags follow. In an outage a page is
 * answered as the upstream last gave it, or not at all: what happens to be cached of the tags is not what there is.
 */
export class PullThroughListings {
  readonly #masked = new WeakSet<UpstreamError>();

  constructor(private readonly parts: PullThroughListingsParts) {}

  /**
   * @throws UpstreamError when the upstream fails and nothing may be served instead
   * @throws RegistryError UNAVAILABLE when it fails and nobody knows what is cached
   */
  async pull(
    settings: ProxyCacheSettings,
    request: ListingRequest,
    requestId?: RequestIdSource,
  ): Promise<PulledListing> {
    const { cached, health, clock } = this.parts;
    const scope = health.scopeOf(settings);
    const [loaded] = await Promise.all([this.#load(request), health.facts(scope)]);
    const pull: ListingPull = { settings, request, requestId, ...loaded };
    const decision = decidePull(pull.entry, settings, health.peek(scope), clock.now());
    cached.noteUse(request.key);
    switch (decision.kind) {
      case 'serve':
        if (pull.entry === undefined) break;
        return this.#serveFresh(pull, pull.entry, decision.checkAhead);
      case 'shield':
        if (pull.entry === undefined) break;
        return this.#serveShielded(pull, pull.entry, { why: 'outage', failureClass: decision.failureClass });
      case 'refuse':
        throw pull.unreadable ?? rateLimited(decision.retryAfterMs);
      case 'ask':
        return this.#askAndServe(pull, decision);
    }
    throw new Error('a listing that is not cached can neither be fresh nor stale');
  }

  /** Whether there is a copy of the page. */
  async isCached(request: ListingRequest): Promise<boolean> {
    return (await this.#load(request)).entry !== undefined;
  }

  /** What is cached of a page: itself, or a page that holds it as well. */
  async #load({ key, wider }: ListingRequest): Promise<Pick<ListingPull, 'entry' | 'unreadable'>> {
    const { cached } = this.parts;
    const own = await cached.load(key);
    if (own.entry !== undefined || own.unreadable !== undefined || wider === undefined) return own;
    const { entry } = await cached.load(wider.key);
    const narrowed = entry && wider.narrow(entry);
    if (entry === undefined || narrowed === undefined) return own;
    cached.noteUse(wider.key);
    return { entry: { ...entry, ...narrowed } };
  }

  async #askAndServe(pull: ListingPull, { state, budget }: AskDecision): Promise<PulledListing> {
    const { checks, deadlines } = this.parts;
    const { requestId } = pull;
    const running = checks.start(pull.request, pull.settings, requestId === undefined ? {} : { requestId });
    const result =
      budget === 'check' ? await withinBudget(running.result, deadlines.checkBudgetMs) : await running.result;
    if (result === OVERDUE) {
      // Told to health at once, so that no other request waits for the same silence.
      return this.#afterFailure(pull, state, await running.overdue());
    }
    return result.kind === 'failed'
      ? this.#afterFailure(pull, state, result.error)
      : this.#serveListed(pull, state, result);
  }

  #serveListed(
    { entry }: ListingPull,
    state: AskDecision['state'],
    { listing, kept }: ListingResult & { kind: 'listed' },
  ): PulledListing {
    const isNew = kept && entry?.body !== listing.body;
    return { listing, headers: forwardedHeaders(state === 'absent' ? 'uri-miss' : 'stale', isNew) };
  }

  #afterFailure(pull: ListingPull, state: AskDecision['state'], error: UpstreamError): PulledListing {
    const { entry, settings, unreadable } = pull;
    if (unreadable !== undefined) throw unreadable;
    const answer = decideAnswer(state, { kind: 'failed', failureClass: error.failureClass }, settings);
    if (answer.kind !== 'shield' || entry === undefined) throw error;
    const facts = { failureClass: error.failureClass, ...statusFacts(error) };
    // One request that failed is one masked error, also when many have waited for it.
    if (!this.#masked.has(error)) {
      this.#masked.add(error);
      this.parts.emit('masked-error', { ...about(pull), ...facts, ageMs: ageMs(entry, this.parts.clock.now()) });
    }
    return this.#serveShielded(pull, entry, { why: answer.why, ...facts });
  }

  #serveFresh({ request, settings }: ListingPull, entry: CachedListing, checkAhead: boolean): PulledListing {
    if (checkAhead) this.parts.checks.start(request, settings);
    const age = ageMs(entry, this.parts.clock.now());
    return { listing: entry, headers: hitHeaders(age, effectiveCheckIntervalS(settings) * 1000 - age) };
  }

  #serveShielded(pull: ListingPull, entry: CachedListing, shielded: ShieldedFacts): PulledListing {
    const age = ageMs(entry, this.parts.clock.now());
    this.parts.emit('shielded-pull', { ...about(pull), ageMs: age, ...shielded });
    const { displayName } = upstreamEndpoint(pull.settings);
    return { listing: entry, headers: shieldedHeaders(displayName, shielded, age, 'list') };
  }
}

function about({ request, requestId }: ListingPull) {
  const { repository, subject } = request.key;
  return {
    organization: repository.organization,
    repository: repository.name,
    reference: subject,
    ...requestFacts(requestId),
  };
}
