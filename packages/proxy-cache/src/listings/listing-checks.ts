import { type Clock, type Logger, type ProxyCacheSettings, RegistryError } from '@breakwater/registry-core';
import type { Emit, ProxyCacheEvents, RequestIdSource } from '../events.js';
import type { Claimable } from '../health/claimable.js';
import type { UpstreamHealth } from '../health/upstream-health.js';
import type { RememberedRefusals } from '../remembered-refusals.js';
import type { Deadlines } from '../upstream/deadlines.js';
import type { UpstreamClient } from '../upstream/upstream-client.js';
import { isUpstreamError, UpstreamError } from '../upstream/upstream-error.js';
import type { UpstreamRegistry } from '../upstream/upstream-registry.js';
import type { UpstreamFailures } from '../upstream-failures.js';
import { type CachedListings, listingKeyText } from './cached-listings.js';
import type { Listing, ListingKey } from './listing.js';

/** Hears of each request that is about to be sent. */
export type TellRequest = (purpose: ProxyCacheEvents['upstream-request'][0]['purpose']) => void;

/** A page that holds another one as well. */
export interface WiderListing {
  readonly key: ListingKey;
  /** Takes the other page out of it; `undefined` when it cannot be. */
  narrow(listing: Listing): Listing | undefined;
}

/** A page, and how an upstream is asked for it. */
export interface ListingRequest {
  readonly key: ListingKey;
  readonly wider?: WiderListing;
  /** @throws UpstreamError */
  ask(upstream: UpstreamRegistry, tell: TellRequest, signal: AbortSignal): Promise<Listing>;
}

/** What came of asking. */
export type ListingResult =
  | { readonly kind: 'listed'; readonly listing: Listing; readonly kept: boolean }
  | { readonly kind: 'failed'; readonly error: UpstreamError };

/** A request that is under way, shared by all that wait for it. */
export interface RunningListing {
  /** Rejects only for failures of our own. */
  readonly result: Promise<ListingResult>;
  /** Tells it that a client waited for the whole check budget in vain. Resolves to one failure for all such clients. */
  overdue(): Promise<UpstreamError>;
}

/** What asking for listings leans on. */
export interface ListingChecksParts {
  readonly upstreams: UpstreamClient;
  readonly cached: CachedListings;
  readonly health: UpstreamHealth;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
  readonly emit: Emit;
  readonly failures: UpstreamFailures;
  readonly refusals: RememberedRefusals;
  readonly logger: Logger;
}

/** Asks upstreams for pages of listings: one request for all that want the page, and its answer kept before it is told. */
export class ListingChecks {
  readonly #running = new Map<string, Claimable<RunningListing>>();
  readonly #closing = new AbortController();

  constructor(private readonly parts: ListingChecksParts) {}

  /** Asks, or joins the request under way. `claimed` marks the check that ends a window of a known-down upstream. */
  start(
    request: ListingRequest,
    settings: ProxyCacheSettings,
    { claimed = false, requestId }: { readonly claimed?: boolean; readonly requestId?: RequestIdSource } = {},
  ): RunningListing {
    const text = `listing\n${listingKeyText(request.key)}\n${settings.credentialVersion}`;
    const running = this.#running.get(text);
    if (claimed) running?.claim();
    if (running !== undefined) return running;
    // Nothing would be asked in place of the check that was claimed.
    const refused = claimed ? undefined : this.parts.refusals.find(text);
    if (refused !== undefined) return answered(refused);
    const started = this.#begin(text, request, settings, claimed, requestId);
    this.#running.set(text, started);
    const ended = () => this.#running.delete(text);
    // A request that nobody waits for any more may fail; whoever waits for it sees the failure itself.
    started.result.then(ended, (error: unknown) => {
      ended();
      this.parts.logger.warn({ err: error }, 'a listing could not be asked for');
    });
    return started;
  }

  /** Ends the requests under way. That they did not hear from the upstream says nothing about it. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled([...this.#running.values()].map(({ result }) => result));
  }

  #begin(
    text: string,
    request: ListingRequest,
    settings: ProxyCacheSettings,
    claimed: boolean,
    requestId: RequestIdSource | undefined,
  ): Claimable<RunningListing> {
    let isClaimed = claimed;
    const { failures, health, refusals } = this.parts;
    const content = { repository: request.key.repository.name, reference: request.key.subject };
    const late = new UpstreamError('timeout', 'the upstream did not answer within the check budget');
    let reported = false;
    const report = async (error: UpstreamError) => {
      if (reported && error.failureClass === 'timeout') return;
      reported = true;
      refusals.note(text, error);
      failures.tell(settings, content, error, requestId);
      await health.failed(health.scopeOf(settings), error, isClaimed);
    };
    return {
      result: this.#ask(request, settings, report),
      claim() {
        // What a pull has told of it before does not stand for what comes of it.
        isClaimed = true;
        reported = false;
      },
      async overdue() {
        await report(late);
        return late;
      },
    };
  }

  async #ask(
    { key, ask }: ListingRequest,
    settings: ProxyCacheSettings,
    report: (error: UpstreamError) => Promise<void>,
  ): Promise<ListingResult> {
    const { clock, deadlines, upstreams, health, cached, emit } = this.parts;
    const { repository, subject } = key;
    const about = { organization: repository.organization, repository: repository.name, reference: subject };
    const askedAt = clock.now();
    try {
      const upstream = upstreams.registry(settings);
      const tell: TellRequest = (purpose) => emit('upstream-request', { ...about, purpose });
      const signal = AbortSignal.any([AbortSignal.timeout(deadlines.clientBudgetMs), this.#closing.signal]);
      const listing = await ask(upstream, tell, signal);
      await health.succeeded(health.scopeOf(settings));
      return { kind: 'listed', listing, kept: await cached.keep(key, upstream.endpoint.origin, listing, askedAt) };
    } catch (error) {
      if (!isUpstreamError(error)) throw error;
      if (this.#closing.signal.aborted) throw new RegistryError('UNAVAILABLE', 'the registry is shutting down');
      await report(error);
      return { kind: 'failed', error };
    }
  }
}

function answered(error: UpstreamError): RunningListing {
  return { result: Promise.resolve({ kind: 'failed', error }), overdue: async () => error };
}
