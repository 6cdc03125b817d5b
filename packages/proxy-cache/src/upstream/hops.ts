import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { UpstreamError } from './upstream-error.js';

/** Registries of this kind that a request may come through. */
const MAX_HOPS = 5;
const HOP = /(?:^|,)[ \t]*(?:HTTP\/)?1\.[01][ \t]+(breakwater-[0-9a-f]{16})(?=[ \t,]|$)/gi;

/**
 * Recognizes requests that come back to where they were sent from (F66). Each of them says in `Via` (RFC 9110, 7.6.3) which
 * registries of this kind it came through; nothing else of what a client writes there is sent on (S9).
 */
export class Hops {
  readonly #own = `breakwater-${randomBytes(8).toString('hex')}`;
  readonly #cameThrough = new AsyncLocalStorage<readonly string[]>();

  /** The `Via` of a request that is sent now. */
  get via(): string {
    return [...(this.#cameThrough.getStore() ?? []), this.#own].map((hop) => `1.1 ${hop}`).join(', ');
  }

  /**
   * Does what a request asks for; whatever it sends to upstreams, then or later, tells of the hops of the request.
   * @throws UpstreamError class `protocol` when the request was sent from here, or came through too many hops
   */
  follow<T>(via: string | undefined, work: () => T): T {
    // Nearly all come straight from a client.
    if (via === undefined) return work();
    const hops = [...via.matchAll(HOP)].map(([, hop = '']) => hop.toLowerCase());
    if (hops.includes(this.#own)) throw new UpstreamError('protocol', 'the upstream leads back to this registry');
    if (hops.length > MAX_HOPS) throw new UpstreamError('protocol', 'too many registries lead to one another');
    return hops.length === 0 ? work() : this.#cameThrough.run(hops, work);
  }
}
