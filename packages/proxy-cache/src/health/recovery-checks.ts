import type { Logger, ProxyCacheSettingsReader } from '@breakwater/registry-core';
import type { TagChecks } from '../manifests/tag-checks.js';
import type { TagKey } from '../ports.js';
import type { CachedTagTable } from '../postgres/cached-tag-table.js';
import type { HealthKey } from '../postgres/upstream-health-table.js';
import type { CachedTag } from '../tags/cached-tag.js';
import type { UpstreamHealth } from './upstream-health.js';

/** For how long a claimed check belongs to the process that claimed it, in milliseconds. */
const CLAIM_MS = 30_000;
/** How many of the most recently used tags are looked through for one that can be checked. */
const CANDIDATES = 20;

/**
 * Ends outages: when the window of a known-down upstream is over, one process of the cluster repeats the real check of
 * the tag that was used last (P9). A ping would not do, since registries answer it while manifests fail.
 */
export class RecoveryChecks {
  #ticking: Promise<void> | undefined;

  constructor(
    private readonly health: UpstreamHealth,
    private readonly checks: TagChecks,
    private readonly table: CachedTagTable,
    private readonly settings: ProxyCacheSettingsReader,
    private readonly logger: Logger,
  ) {}

  /** Carries out the checks that are due. Never rejects; a call during another joins it. */
  tick(): Promise<void> {
    this.#ticking ??= this.#run().finally(() => {
      this.#ticking = undefined;
    });
    return this.#ticking;
  }

  async #run(): Promise<void> {
    for (const key of this.health.due()) {
      try {
        if (await this.health.claim(key, CLAIM_MS)) await this.#check(key);
      } catch (error) {
        this.logger.warn({ err: error, origin: key.origin }, 'the check of an upstream that is down failed to start');
      }
    }
  }

  async #check(key: HealthKey): Promise<void> {
    for (const registry of this.health.registriesBehind(key.origin)) {
      for (const candidate of await this.table.mostRecentlyUsed(registry, CANDIDATES)) {
        if (await this.#checkTag(candidate, key)) return;
      }
    }
  }

  /** False when the tag cannot be checked: its organization asks another upstream now, or with another credential. */
  async #checkTag(candidate: TagKey & { readonly entry: CachedTag }, key: HealthKey): Promise<boolean> {
    const settings = await this.settings.find(candidate.repository.organization);
    if (settings === undefined || settings.upstream !== candidate.repository.upstream) return false;
    const scope = this.health.scopeOf(settings);
    if (!this.health.registriesBehind(key.origin).includes(scope.origin)) return false;
    if (key.credential !== '' && scope.credential !== key.credential) return false;
    const { repository, tag, entry } = candidate;
    await this.checks.start({ repository, tag }, settings, entry, { claimed: true }).result;
    return true;
  }
}
