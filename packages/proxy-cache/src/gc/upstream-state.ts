import {
  FAILURE_CLASSES,
  type OrganizationName,
  type ProxyCacheSettings,
  type ProxyCacheSettingsReader,
} from '@breakwater/registry-core';
import type { KnownHealth, UpstreamHealth } from '../health/upstream-health.js';
import type { TagChecks } from '../manifests/tag-checks.js';
import { type ContentRoots, referenceOf } from '../postgres/content-roots.js';

/** How an upstream is. Times are milliseconds since the epoch. */
export interface UpstreamCondition {
  /** Nothing can be had of it: it is out of order, or it has asked this organization to wait (429). */
  readonly down: boolean;
  readonly downSince?: number;
  /** When it last answered. */
  readonly lastHeardAt?: number;
}

/** The view that garbage collection, and whoever measures, has of upstream health. */
export class UpstreamStateView {
  constructor(
    private readonly settings: ProxyCacheSettingsReader,
    private readonly health: UpstreamHealth,
    private readonly checks: TagChecks,
    private readonly roots: ContentRoots,
  ) {}

  /** The condition of the upstream that content came from. One that no organization proxies any more is not down. */
  async condition(organization: OrganizationName, upstream: string): Promise<UpstreamCondition> {
    const settings = await this.#settings(organization, upstream);
    if (settings === undefined) return { down: false };
    const { origin, credential } = await this.health.records(this.health.scopeOf(settings));
    const downSince = origin.downSince ?? credential.downSince;
    return {
      down: downSince !== undefined,
      ...(downSince === undefined ? {} : { downSince }),
      ...(origin.lastSuccessAt === undefined ? {} : { lastHeardAt: origin.lastSuccessAt }),
    };
  }

  /**
   * Asks about what the organization used last of it, a tag before a digest, without touching it, and resolves to the
   * condition after it; `undefined` when there is nothing to ask about, so that nobody can say. While a Retry-After is in
   * force nothing is asked, and the condition is that.
   */
  async check(organization: OrganizationName, upstream: string): Promise<UpstreamCondition | undefined> {
    const settings = await this.#settings(organization, upstream);
    if (settings === undefined) return { down: false };
    if (!(await this.health.mayAsk(settings))) return this.condition(organization, upstream);
    const group = { organization, upstream };
    const root =
      (await this.roots.mostRecentlyUsed('tag', group)) ?? (await this.roots.mostRecentlyUsed('digest', group));
    if (root === undefined) return undefined;
    const failure = await this.checks.probe(root.repository, referenceOf(root), settings);
    const condition = await this.condition(organization, upstream);
    if (failure === undefined || condition.down || FAILURE_CLASSES[failure].shields !== 'always') return condition;
    // What no health remembers, an address that is not allowed for one: it is out of reach all the same.
    const { lastHeardAt } = condition;
    return { ...condition, down: true, ...(lastHeardAt === undefined ? {} : { downSince: lastHeardAt }) };
  }

  /**
   * What is known of the origins and credentials that were heard of last. Times are ms since the epoch.
   * @throws the database's error
   */
  async latest(): Promise<readonly KnownHealth[]> {
    return this.health.latest();
  }

  /** The origins that are known to be down: registries, token servers and content servers. */
  knownDown(): Promise<readonly string[]> {
    return this.health.knownDown();
  }

  async #settings(organization: OrganizationName, upstream: string): Promise<ProxyCacheSettings | undefined> {
    const settings = await this.settings.find(organization);
    return settings?.upstream === upstream ? settings : undefined;
  }
}
