import type { ProxyCacheSettings } from '@breakwater/registry-core';
import { parseReferrersPage, parseTagPage } from '@breakwater/registry-http';
import type { CachedListingTable } from '../postgres/cached-listing-table.js';
import type { ListingKey } from './listing.js';
import type { ListingChecks, ListingRequest } from './listing-checks.js';
import { referrersRequest } from './referrers.js';
import { tagListRequest } from './tag-list.js';

/** Listings as that which can show whether an upstream is back, where no tag of it is cached. */
export class RecoveryListings {
  constructor(
    private readonly table: CachedListingTable,
    private readonly checks: ListingChecks,
  ) {}

  /** The listings behind an origin, the most recently used first. */
  mostRecentlyUsed(origin: string, limit: number): Promise<readonly ListingKey[]> {
    return this.table.mostRecentlyUsed(origin, limit);
  }

  /** Asks for a listing again, as the check that ends a window. */
  async check(key: ListingKey, settings: ProxyCacheSettings): Promise<void> {
    await this.checks.start(requestOf(key), settings, { claimed: true }).result;
  }
}

function requestOf({ repository, subject, page }: ListingKey): ListingRequest {
  return subject === ''
    ? tagListRequest(repository, parseTagPage(page))
    : referrersRequest(repository, subject, parseReferrersPage(page));
}
