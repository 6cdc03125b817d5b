import type { Logger, ProxyCacheSettings, ProxyCacheSettingsReader } from '@breakwater/registry-core';
import type { BackgroundFetches } from '../completing/background-fetches.js';
import type { RecoveryListings } from '../listings/recovery-listings.js';
import type { TagChecks } from '../manifests/tag-checks.js';
import type { ProxiedRepository, TagKey } from '../ports.js';
import type { CachedTagTable } from '../postgres/cached-tag-table.js';
import type { HealthKey } from '../postgres/upstream-health-table.js';
import type { CachedTag } from '../tags/cached-tag.js';
import type { UpstreamHealth } from './upstream-health.js';

/** For how long a claimed check belongs to the process that claimed it, in milliseconds. */
const CLAIM_MS = 30_000;
/** How many of the most recently used tags are looked through for one that can be checked. */
const CANDIDATES = 20;
/** How many of these checks a process makes at a time. */
const MAX_AT_A_TIME = 16;

/**
 * Ends outages: when the window of a known-down upstream is over, one process of the cluster repeats the real check of
 * the tag that was used last (P9), or of the listing where there is no tag; of an origin that sends content only, it
 * fetches something that is missing. A ping would not do, since registries answer it while manifests fail.
 */
export class RecoveryChecks {
  readonly #running = new Map<string, Promise<void>>();
  #closed = false;

  constructor(
    private readonly health: UpstreamHealth,
    private readonly checks: TagChecks,
    private readonly table: CachedTagTable,
    private readonly settings: ProxyCacheSettingsReader,
    private readonly logger: Logger,
    private readonly listings: Pick<RecoveryListings, 'mostRecentlyUsed' | 'check'>,
    private readonly content: Pick<BackgroundFetches, 'check'>,
  ) {}

  /**
   * Starts the checks that are due, and waits for none: an upstream that hangs would hold up those that are back, and
   * whatever else its caller does once a second.
   */
  start(): void {
    if (this.#closed) return;
    for (const key of this.health.due()) {
      const text = `${key.origin}\n${key.credential}`;
      if (this.#running.has(text) || this.#running.size >= MAX_AT_A_TIME) continue;
      const running = this.#claimAndCheck(key).finally(() => this.#running.delete(text));
      this.#running.set(text, running);
    }
  }

  /** Starts none any more, and resolves when those under way have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#running.values());
  }

  /** Never rejects. */
  async #claimAndCheck(key: HealthKey): Promise<void> {
    try {
      if (await this.health.claim(key, CLAIM_MS)) await this.#check(key);
    } catch (error) {
      this.logger.warn({ err: error, origin: key.origin }, 'the check of an upstream that is down failed to start');
    }
  }

  async #check(key: HealthKey): Promise<void> {
    for (const registry of this.health.registriesBehind(key.origin)) {
      for (const candidate of await this.table.mostRecentlyUsed(registry, CANDIDATES)) {
        if (this.#closed || (await this.#checkTag(candidate, key))) return;
      }
    }
    for (const registry of this.health.registriesBehind(key.origin)) {
      for (const listing of await this.listings.mostRecentlyUsed(registry, CANDIDATES)) {
        const settings = await this.#askable(listing.repository, key);
        if (this.#closed) return;
        if (settings !== undefined) return this.listings.check(listing, settings);
      }
    }
    await this.content.check(key.origin);
  }

  /** False when the tag cannot be checked: its organization asks another upstream now, or with another credential. */
  async #checkTag(candidate: TagKey & { readonly entry: CachedTag }, key: HealthKey): Promise<boolean> {
    const { repository, tag, entry } = candidate;
    const settings = await this.#askable(repository, key);
    if (settings === undefined) return false;
    await this.checks.start({ repository, tag }, settings, entry, { claimed: true }).result;
    return true;
  }

  /** The settings to ask with; `undefined` when asking would say nothing of this health, or is forbidden for a while. */
  async #askable(repository: ProxiedRepository, key: HealthKey): Promise<ProxyCacheSettings | undefined> {
    const settings = await this.settings.find(repository.organization);
    if (settings === undefined || settings.upstream !== repository.upstream) return undefined;
    const scope = this.health.scopeOf(settings);
    if (!this.health.registriesBehind(key.origin).includes(scope.origin)) return undefined;
    if (key.credential !== '' && scope.credential !== key.credential) return undefined;
    return (await this.health.mayAsk(settings)) ? settings : undefined;
  }
}
