import {
  DOCKER_HUB_NAMES,
  type OrganizationName,
  type ProxyCacheSettingsReader,
  parseOrganizationName,
  parseUpstreamAddress,
} from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';

/** A proxy organization and its upstream, `host[:port][/namespace]`. */
export interface ProxiedUpstream {
  readonly organization: OrganizationName;
  readonly upstream: string;
}

export interface NameResolverOptions {
  readonly settings: ProxyCacheSettingsReader;
  readonly organizations: { exists(name: OrganizationName): Promise<boolean> };
  /** The proxy organizations whose upstream is at one of these hosts, in the order of their names. */
  readonly proxying: (hosts: readonly string[]) => Promise<readonly ProxiedUpstream[]>;
  /** Whose a name is that begins with no organization; `undefined` = nobody's. */
  readonly defaultOrganization: OrganizationName | undefined;
  /** A clock that never goes back. Default the process's own. */
  readonly monotonic?: { now(): number };
}

/** How long a look-up is taken for true without asking, ms. While the database is away the last answer goes on. */
const REMEMBERED_MS = 2_000;
const REMEMBERED = 5_000;

interface Remembered<T> {
  readonly value: T;
  readonly at: number;
}

/** Says which `<organization>/<repository>` a client means that cannot, or does not, name the organization. */
export class NameResolver {
  readonly #options: NameResolverOptions;
  readonly #monotonic: { now(): number };
  readonly #hosted = new LRUCache<string, Remembered<boolean>>({ max: REMEMBERED });
  readonly #upstreams = new LRUCache<string, Remembered<readonly ProxiedUpstream[]>>({ max: REMEMBERED });

  constructor(options: NameResolverOptions) {
    this.#options = options;
    this.#monotonic = options.monotonic ?? { now: () => performance.now() };
  }

  /** Whether plain names may mean something else than they say. */
  get hasDefault(): boolean {
    return this.#options.defaultOrganization !== undefined;
  }

  /** Whether there is an organization of this name. */
  async isOrganization(text: string): Promise<boolean> {
    const name = parseOrganizationName(text);
    if (name === undefined) return false;
    if ((await this.#options.settings.find(name)) !== undefined) return true;
    return this.#remembered(this.#hosted, name, () => this.#options.organizations.exists(name));
  }

  /** A name that begins with an organization is what it says. Others belong to the default one, if there is one. */
  async byPath(name: string): Promise<string> {
    const { defaultOrganization } = this.#options;
    if (defaultOrganization === undefined || (await this.#startsWithOrganization(name))) return name;
    return `${defaultOrganization}/${name}`;
  }

  /**
   * A name of a repository at an upstream: the organization that proxies it, and what the repository is called there. A
   * path that begins with an organization wins. `undefined` when no organization names that upstream: then nothing does.
   */
  async byNamespace(ns: string, name: string): Promise<string | undefined> {
    if (await this.#startsWithOrganization(name)) return undefined;
    const address = parseUpstreamAddress(ns);
    if ('problem' in address || address.namespace !== undefined) return undefined;
    const { host, port } = address;
    const isDockerHub = port === undefined && DOCKER_HUB_NAMES.has(host);
    const hosts = isDockerHub ? [...DOCKER_HUB_NAMES] : [ns.toLowerCase()];
    const proxying = await this.#remembered(this.#upstreams, hosts.join(' '), () => this.#options.proxying(hosts));
    return bestOf(proxying, name, this.#options.defaultOrganization);
  }

  async #startsWithOrganization(name: string): Promise<boolean> {
    const slash = name.indexOf('/');
    return slash !== -1 && this.isOrganization(name.slice(0, slash));
  }

  async #remembered<T extends {}>(
    memory: LRUCache<string, Remembered<T>>,
    key: string,
    ask: () => Promise<T>,
  ): Promise<T> {
    const known = memory.get(key);
    const at = this.#monotonic.now();
    if (known !== undefined && at - known.at < REMEMBERED_MS) return known.value;
    try {
      const value = await ask();
      memory.set(key, { value, at });
      return value;
    } catch (error) {
      if (known !== undefined) return known.value;
      throw error;
    }
  }
}

/** Of several, the one that proxies the most of the path; then the default one; then the first by name. */
function bestOf(
  proxying: readonly ProxiedUpstream[],
  name: string,
  preferred: OrganizationName | undefined,
): string | undefined {
  let best: { readonly of: ProxiedUpstream; readonly rest: string } | undefined;
  for (const of of proxying) {
    const namespace = of.upstream.split('/').slice(1).join('/');
    if (namespace !== '' && !name.startsWith(`${namespace}/`)) continue;
    const rest = namespace === '' ? name : name.slice(namespace.length + 1);
    const isBetter =
      best === undefined ||
      rest.length < best.rest.length ||
      (rest.length === best.rest.length && of.organization === preferred);
    if (isBetter) best = { of, rest };
  }
  return best && `${best.of.organization}/${best.rest}`;
}
