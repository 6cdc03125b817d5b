import type { Clock, KeyValueStore, ProxyCacheSettings } from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';
import type { Lookup } from '../ports.js';
import { AddressGuard } from './address-guard.js';
import { Authorizations, type TokenServerListener } from './authorization.js';
import type { Deadlines } from './deadlines.js';
import { upstreamEndpoint } from './endpoint.js';
import { GuardedAgents } from './guarded-agent.js';
import { Hops } from './hops.js';
import { OutboundProxy } from './outbound-proxy.js';
import type { KnownRealm } from './realm.js';
import { RefusedHeads } from './refused-heads.js';
import { Resolver } from './resolver.js';
import { RetryBudget } from './retry-budget.js';
import { SharedTokens } from './shared-tokens.js';
import { AxiosTransport } from './transport.js';
import { isUpstreamError } from './upstream-error.js';
import { type RateLimitListener, UpstreamRegistry } from './upstream-registry.js';

export interface UpstreamClientOptions {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  /** What the operator lets the address guard through: `host`, `host:port`, or a block. */
  readonly allowedHosts: readonly string[];
  readonly lookup: Lookup;
  /** `http://[user:password@]host:port` of the proxy that opens every connection, and resolves the names. */
  readonly upstreamProxyUrl?: string;
  /** Largest manifest in bytes that is read to its end (S33). */
  readonly maxManifestBytes: number;
  /** Hears of the token servers that registries name. */
  readonly onTokenServer?: TokenServerListener;
  /** Where tokens are shared with other processes; without it each process fetches its own. */
  readonly sharedTokens?: KeyValueStore;
  /** Hears of the rate limits that upstreams tell of. */
  readonly onRateLimit?: RateLimitListener;
  /** Hears of each request that failed in passing and is sent again, by the origin it goes to. */
  readonly onRetry?: (origin: string) => void;
  /** Token servers that the operator accepts beside those which are obvious (S5). */
  readonly realms?: readonly KnownRealm[];
  /** Most connections to one origin, open or being opened. */
  readonly maxSockets?: number;
}

const MAX_REGISTRIES = 1_000;

interface KnownRegistry {
  readonly registry: UpstreamRegistry;
  readonly caPem: string | undefined;
}

/** The only place from which sockets to upstreams are opened. One per proxy cache. */
export class UpstreamClient {
  /** Recognizes the requests that were sent from here. */
  readonly hops = new Hops();
  readonly #agents: GuardedAgents;
  readonly #guard: AddressGuard;
  readonly #resolver: Resolver;
  readonly #proxy: OutboundProxy | undefined;
  readonly #transport: AxiosTransport;
  readonly #authorizations: Authorizations;
  readonly #refusedHeads: RefusedHeads;
  readonly #registries = new LRUCache<string, KnownRegistry>({ max: MAX_REGISTRIES });

  constructor(private readonly options: UpstreamClientOptions) {
    this.#refusedHeads = new RefusedHeads(options.clock);
    this.#guard = new AddressGuard(options.allowedHosts);
    this.#resolver = new Resolver(options.lookup);
    this.#proxy = options.upstreamProxyUrl === undefined ? undefined : new OutboundProxy(options.upstreamProxyUrl);
    this.#agents = new GuardedAgents({
      guard: this.#guard,
      resolver: this.#resolver,
      deadlines: options.deadlines,
      proxy: this.#proxy,
      maxSockets: options.maxSockets,
    });
    const { onRetry } = options;
    const retries = new RetryBudget();
    this.#transport = new AxiosTransport(this.#agents, options.deadlines, options.clock, retries, this.hops, onRetry);
    const { clock, deadlines, onTokenServer, sharedTokens, realms } = options;
    const shared = sharedTokens === undefined ? undefined : new SharedTokens(sharedTokens, clock);
    this.#authorizations = new Authorizations(this.#transport, deadlines, clock, onTokenServer, shared, realms);
  }

  /**
   * The upstream of an organization.
   * @throws UpstreamError class `blocked` when its address is not one
   */
  registry(settings: ProxyCacheSettings): UpstreamRegistry {
    const key = [settings.organization, settings.credentialVersion, settings.upstream, settings.insecure].join('\n');
    const known = this.#registries.get(key);
    // Compared and not hashed: it is the very same text as long as nobody changes it.
    if (known !== undefined && known.caPem === settings.upstreamCaPem) return known.registry;
    const registry = this.detached(settings);
    this.#registries.set(key, { registry, caPem: settings.upstreamCaPem });
    return registry;
  }

  /** The upstream of settings that are not in force, to try them out. */
  detached(settings: ProxyCacheSettings, onRateLimit = this.options.onRateLimit): UpstreamRegistry {
    const { deadlines, clock, maxManifestBytes } = this.options;
    return new UpstreamRegistry(
      settings,
      this.#transport,
      this.#authorizations,
      deadlines,
      clock,
      this.#refusedHeads,
      maxManifestBytes,
      onRateLimit,
    );
  }

  /**
   * Whether an upstream may be saved: its address is one, and none of those that its name has now may not be dialled. A
   * name without an address may be saved; each connection is judged again.
   */
  async isAllowed(settings: Pick<ProxyCacheSettings, 'upstream' | 'insecure'>): Promise<boolean> {
    const url = urlOf(settings);
    if (url === undefined) return false;
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const port = Number(url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port);
    const addresses = await this.#addresses(host);
    return addresses.every((address) => this.#guard.allows({ host, port, address }));
  }

  /**
   * Whether an upstream can be dialled at all now: its name has no address, none of its addresses may be dialled, or they
   * may. Names are the proxy's to resolve where there is one. Sends nothing.
   */
  async reach(
    settings: Pick<ProxyCacheSettings, 'upstream' | 'insecure'>,
  ): Promise<'dns' | 'blocked' | 'allowed' | 'by-proxy'> {
    const url = urlOf(settings);
    if (url === undefined) return 'blocked';
    const isLiteral = /^[0-9.]+$/.test(url.hostname) || url.hostname.startsWith('[');
    if (!isLiteral && this.#proxy !== undefined) return 'by-proxy';
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if ((await this.#addresses(host)).length === 0) return 'dns';
    return (await this.isAllowed(settings)) ? 'allowed' : 'blocked';
  }

  /** Connections that were begun to be opened so far, to upstreams or to the outbound proxy (S6). */
  get connectionsOpened(): number {
    return this.#agents.opened;
  }

  close(): void {
    this.#agents.destroy();
  }

  /** Name look-up with an end: a resolver that hangs must not hold up a save. */
  async #addresses(host: string): Promise<readonly string[]> {
    if (/^[0-9.]+$/.test(host) || host.includes(':')) return [host];
    // Names are the proxy's to resolve.
    if (this.#proxy !== undefined) return [];
    const late = new Promise<readonly string[]>((resolve) => {
      setTimeout(() => resolve([]), this.options.deadlines.checkBudgetMs).unref();
    });
    const found = this.#resolver.resolve(host).then(
      (addresses) => addresses.map(({ address }) => address),
      () => [],
    );
    return Promise.race([found, late]);
  }
}

function urlOf(settings: Pick<ProxyCacheSettings, 'upstream' | 'insecure'>): URL | undefined {
  try {
    return new URL(upstreamEndpoint(settings).origin);
  } catch (error) {
    if (isUpstreamError(error)) return undefined;
    throw error;
  }
}
