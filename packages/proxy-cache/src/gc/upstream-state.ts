import type { OrganizationName, ProxyCacheSettings, ProxyCacheSettingsReader } from '@breakwater/registry-core';
import type { UpstreamHealth } from '../health/upstream-health.js';
import type { TagChecks } from '../manifests/tag-checks.js';
import type { CachedTagTable } from '../postgres/cached-tag-table.js';

/** How an upstream is. Times are milliseconds since the epoch. */
export interface UpstreamCondition {
  readonly down: boolean;
  readonly downSince?: number;
  readonly lastHeardAt?: number;
}

/** How many of the most recently used tags are looked through for one that can be checked. */
const CANDIDATES = 20;

/** The view that garbage collection, and whoever measures, has of upstream health. */
export class UpstreamStateView {
  constructor(
    private readonly settings: ProxyCacheSettingsReader,
    private readonly health: UpstreamHealth,
    private readonly checks: TagChecks,
    private readonly table: CachedTagTable,
  ) {}

  /** The condition of the upstream that content came from. One that no organization proxies any more is not down. */
  async condition(organization: OrganizationName, upstream: string): Promise<UpstreamCondition> {
    const settings = await this.#settings(organization, upstream);
    if (settings === undefined) return { down: false };
    const { origin } = await this.health.records(this.health.scopeOf(settings));
    return {
      down: origin.downSince !== undefined,
      ...(origin.downSince === undefined ? {} : { downSince: origin.downSince }),
      ...(origin.lastSuccessAt === undefined ? {} : { lastHeardAt: origin.lastSuccessAt }),
    };
  }

  /**
   * Asks about the tag that was used last, without touching it, and resolves to the condition after it. Not while a
   * Retry-After is in force.
   */
  async check(organization: OrganizationName, upstream: string): Promise<UpstreamCondition> {
    const settings = await this.#settings(organization, upstream);
    if (settings === undefined) return { down: false };
    const { origin } = this.health.scopeOf(settings);
    const candidates = await this.table.mostRecentlyUsed(origin, CANDIDATES);
    const ours = candidates.find(
      ({ repository }) => repository.organization === organization && repository.upstream === upstream,
    );
    const mayAsk = ours !== undefined && (await this.health.mayAsk(settings));
    if (mayAsk) await this.checks.probe({ repository: ours.repository, tag: ours.tag }, settings);
    return this.condition(organization, upstream);
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
