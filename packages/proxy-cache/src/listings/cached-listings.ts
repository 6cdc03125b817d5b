import {
  type Clock,
  type Logger,
  type ProxyCacheSettingsReader,
  type RegistryError,
  repositoryKey,
} from '@breakwater/registry-core';
import { ageMs } from '../decision/freshness.js';
import type { CachedListingTable, ListingClocks } from '../postgres/cached-listing-table.js';
import { NotedUses } from '../tags/noted-uses.js';
import type { CachedListing, Listing, ListingKey } from './listing.js';

/** Most uses that wait to be written. */
const MAX_NOTED = 10_000;
/** Longest query of a page that is kept: beside the rest of the key it has to fit into an entry of an index. */
const MAX_PAGE_LENGTH = 1_024;
/** Most that the listings of one organization take in the database. Queries are free to invent, so there is no end else. */
const MAX_ORGANIZATION_BYTES = 256 * 1024 * 1024;
/** Rows of one statement that prunes, and statements of one run. */
const PRUNE_BATCH = 500;
const MAX_PRUNE_BATCHES = 20;
/** What is kept of an organization that proxies nothing, or another upstream, by now: a day, as by default. */
const ORPHANED = { stalenessPeriodS: 86_400, expirationS: 86_400 };

/** A key for maps, one to one with the listing. */
export function listingKeyText({ repository, kind, subject, page }: ListingKey): string {
  return `${repositoryKey(repository)}\n${repository.upstream}\n${kind}\n${subject}\n${page}`;
}

/** Pages of listings in Postgres. Each is complete by itself: what the upstream answered to exactly that request. */
export class CachedListings {
  readonly #used = new NotedUses<{ readonly key: ListingKey }>(MAX_NOTED);
  #pruned: ListingKey | undefined;

  constructor(
    private readonly table: CachedListingTable,
    private readonly settings: ProxyCacheSettingsReader,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly maxBytes = MAX_ORGANIZATION_BYTES,
  ) {}

  /** What is cached; without Postgres, the failure that whoever finds no other answer is to throw. */
  async load(key: ListingKey): Promise<{ readonly entry?: CachedListing; readonly unreadable?: RegistryError }> {
    if (!isKeepable(key)) return {};
    try {
      const entry = await this.table.find(key);
      return entry === undefined ? {} : { entry };
    } catch (error) {
      this.logger.warn({ err: error }, 'cached listings cannot be read; the upstream is asked');
      return { unreadable: error as RegistryError };
    }
  }

  /** Resolves to whether it is kept. Never rejects: a listing that cannot be written can still be answered. */
  async keep(key: ListingKey, origin: string, listing: Listing, at: number): Promise<boolean> {
    if (!isKeepable(key)) return false;
    try {
      const added = await this.table.write(key, origin, listing, at);
      if (added) await this.table.trim(key.repository.organization, this.maxBytes);
      return true;
    } catch (error) {
      this.logger.warn({ err: error }, 'a listing could not be written');
      return false;
    }
  }

  /** Notes a use in memory; `flush` writes it. */
  noteUse(key: ListingKey): void {
    if (isKeepable(key)) this.#used.note(listingKeyText(key), this.clock.now(), { key });
  }

  /** Writes the noted uses; those that cannot be written now are kept for the next time. */
  flush(): Promise<void> {
    return this.#used.flush((uses) => this.table.noteUses(uses));
  }

  /** Removes what has lapsed and expired, so much in one run; the next one goes on where this one ended. */
  async prune(): Promise<void> {
    for (let batch = 0; batch < MAX_PRUNE_BATCHES; batch += 1) {
      const rows = await this.table.clocks(this.#pruned, PRUNE_BATCH);
      for (const row of rows) if (await this.#isExpired(row)) await this.table.remove(row);
      this.#pruned = rows.length < PRUNE_BATCH ? undefined : rows.at(-1)?.key;
      if (this.#pruned === undefined) return;
    }
  }

  async #isExpired(row: ListingClocks): Promise<boolean> {
    const { organization, upstream } = row.key.repository;
    const found = await this.settings.find(organization);
    const { stalenessPeriodS, expirationS } = found?.upstream === upstream ? found : ORPHANED;
    const now = this.clock.now();
    // What has lapsed is kept until it expires, since a longer period rescues it in the middle of an outage.
    if (ageMs(row, now) <= stalenessPeriodS * 1000) return false;
    return expirationS !== 0 && now - row.lastUsedAt > expirationS * 1000;
  }
}

function isKeepable({ page }: ListingKey): boolean {
  return page.length <= MAX_PAGE_LENGTH;
}
