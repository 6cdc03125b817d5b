import type { Clock } from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';
import type { UpstreamError } from './upstream/upstream-error.js';

/** How long a refusal is remembered, in milliseconds (P13). Outages never are: their memory is upstream health. */
const REMEMBER_REMOVED_MS = 10_000;
const REMEMBER_DENIED_MS = 30_000;
const MAX_REMEMBERED = 10_000;

interface Refusal {
  readonly error: UpstreamError;
  readonly until: number;
}

/**
 * What upstreams said no to a moment ago, so that they are not asked again by everybody who wants it (P13). Of the most
 * that fits, what was asked for longest ago is forgotten. Whoever makes a key puts the version of the credentials into it.
 */
export class RememberedRefusals {
  readonly #refusals: LRUCache<string, Refusal>;

  constructor(
    private readonly clock: Clock,
    max = MAX_REMEMBERED,
  ) {
    this.#refusals = new LRUCache({ max });
  }

  /** The very failure that the upstream answered with; `undefined` when it has to be asked. */
  find(key: string): UpstreamError | undefined {
    const refusal = this.#refusals.get(key);
    return refusal !== undefined && refusal.until > this.clock.now() ? refusal.error : undefined;
  }

  /** Remembers a failure if it is one that the upstream meant. */
  note(key: string, error: UpstreamError): void {
    const rememberMs = lifetimeMs(error);
    if (rememberMs > 0) this.#refusals.set(key, { error, until: this.clock.now() + rememberMs });
  }
}

function lifetimeMs({ failureClass, isSchema1 }: UpstreamError): number {
  if (failureClass === 'removed' || isSchema1) return REMEMBER_REMOVED_MS;
  return failureClass === 'denied' ? REMEMBER_DENIED_MS : 0;
}
