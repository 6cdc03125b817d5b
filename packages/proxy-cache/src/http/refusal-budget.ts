import type { Clock } from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';
import type { UpstreamError } from '../upstream/upstream-error.js';

/** How often one client may make us ask an upstream for what it does not have, or does not give. */
export interface RefusalLimits {
  /** So often at once; 0 = without end. */
  readonly burst: number;
  /** And so often a second from then on. */
  readonly perSecond: number;
}

/** Far above what looking for signatures of every image costs a controller, far below what a flood of made-up tags is. */
export const DEFAULT_REFUSAL_LIMITS: RefusalLimits = { burst: 200, perSecond: 5 };

/** Clients that are remembered. One that was forgotten begins anew. */
const MAX_CLIENTS = 10_000;

interface Bucket {
  readonly left: number;
  readonly at: number;
}

/**
 * What each client has left for asking in vain (F162). Whatever an upstream refuses is charged to the client for which it
 * was asked; what is answered from memory, or from the cache, costs nothing.
 */
export class RefusalBudget {
  readonly #buckets = new LRUCache<string, Bucket>({ max: MAX_CLIENTS });
  readonly #charged = new WeakSet<UpstreamError>();

  constructor(
    private readonly clock: Clock,
    private readonly limits: RefusalLimits,
  ) {}

  /** Charges a client for a failure, if it is a refusal and nobody has been charged for it. */
  charge(client: string, error: UpstreamError): void {
    if (error.failureClass !== 'removed' && error.failureClass !== 'denied') return;
    if (this.limits.burst === 0 || this.#charged.has(error)) return;
    this.#charged.add(error);
    this.#buckets.set(client, { left: this.#left(client) - 1, at: this.clock.now() });
  }

  /** Whole seconds until the client may ask again for what is not cached; 0 = now. */
  waitS(client: string): number {
    return Math.ceil(Math.max(0, 1 - this.#left(client)) / this.limits.perSecond);
  }

  #left(client: string): number {
    const { burst, perSecond } = this.limits;
    if (burst === 0) return Number.POSITIVE_INFINITY;
    const bucket = this.#buckets.get(client);
    if (bucket === undefined) return burst;
    return Math.min(burst, bucket.left + (Math.max(0, this.clock.now() - bucket.at) / 1000) * perSecond);
  }
}
