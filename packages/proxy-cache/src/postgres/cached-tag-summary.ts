import type { OrganizationName } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import { repeatable } from './repeatable.js';

/** What an organization has cached of its upstream. Times are ms since the epoch. */
export interface CachedTagSummary {
  /** How many tags, up to `COUNTED_UP_TO`. */
  readonly tags: number;
  /** How many of them have lapsed, up to `COUNTED_UP_TO`. */
  readonly lapsed: number;
  /** The longest time ago that one was confirmed; absent when nothing is cached. */
  readonly oldestConfirmedAt?: number;
}

/** Where counting ends: a count of this much says `at least`. */
export const COUNTED_UP_TO = 10_000;

interface SummaryRow {
  readonly tags: number;
  readonly lapsed: number;
  readonly oldest: Date | null;
}

/** Sums up the cached tags of an organization by index, in bounded time however many there are. */
export class CachedTagSummaries {
  constructor(private readonly knex: Knex) {}

  /**
   * @param lapsedBefore tags that were confirmed before it have lapsed, ms since the epoch
   * @throws RegistryError UNAVAILABLE when the database cannot be asked
   */
  async find(organization: OrganizationName, upstream: string, lapsedBefore: number): Promise<CachedTagSummary> {
    const ours = 'from cached_tag where organization = :organization and upstream = :upstream';
    const { rows } = await repeatable(() =>
      this.knex.raw<{ rows: readonly SummaryRow[] }>(
        `select
           (select count(*)::int from (select 1 ${ours} limit :most) t) as tags,
           (select count(*)::int from (select 1 ${ours} and confirmed_at < :before limit :most) t) as lapsed,
           (select confirmed_at ${ours} order by confirmed_at limit 1) as oldest`,
        { organization, upstream, before: new Date(lapsedBefore), most: COUNTED_UP_TO },
      ),
    );
    const { tags = 0, lapsed = 0, oldest = null } = rows[0] ?? {};
    return { tags, lapsed, ...(oldest === null ? {} : { oldestConfirmedAt: oldest.getTime() }) };
  }
}
