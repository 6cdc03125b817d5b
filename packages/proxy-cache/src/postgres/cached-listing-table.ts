import type { Digest, OrganizationName, RepositoryName } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { CachedListing, Listing, ListingKey, ListingKind } from '../listings/listing.js';
import { repeatable } from './repeatable.js';

interface KeyRow {
  readonly organization: string;
  readonly upstream: string;
  readonly repository: string;
  readonly kind: ListingKind;
  readonly subject: string;
  readonly page: string;
}

interface ListingRow extends KeyRow {
  readonly body: string;
  readonly next: string | null;
  readonly filtered: boolean;
  readonly confirmed_at: Date;
  readonly last_used_at: Date;
}

/** A row without its body. */
export type ListingClocks = Pick<CachedListing, 'confirmedAt' | 'lastUsedAt'> & { readonly key: ListingKey };

const KEY = ['organization', 'upstream', 'repository', 'kind', 'subject', 'page'] as const;
const KEY_COLUMNS = KEY.join(', ');
/** What a row takes beside its body, in bytes, about. */
const ROW_BYTES = 512;

/** The rows of cached listings, one function per statement. */
export class CachedListingTable {
  constructor(private readonly knex: Knex) {}

  /** @throws RegistryError UNAVAILABLE when the database cannot be asked */
  async find(key: ListingKey): Promise<CachedListing | undefined> {
    const row = await repeatable(() => this.knex<ListingRow>('cached_listing').where(columns(key)).first());
    return row === undefined ? undefined : toListing(row);
  }

  /** Keeps what was asked for at a time, unless a later answer is there already. True when there was none before. */
  async write(key: ListingKey, origin: string, { body, next, filtered }: Listing, at: number): Promise<boolean> {
    const time = new Date(at);
    const row = { ...columns(key), origin, body, next: next ?? null, filtered, confirmed_at: time, last_used_at: time };
    const changed = ['origin', 'body', 'next', 'filtered', 'confirmed_at'];
    const written = await this.knex('cached_listing')
      .insert(row)
      .onConflict([...KEY])
      .merge(changed)
      .where('cached_listing.confirmed_at', '<=', time)
      .returning<{ readonly added: boolean }[]>(this.knex.raw('(xmax = 0) as added') as never);
    return written[0]?.added === true;
  }

  async noteUses(uses: readonly { readonly key: ListingKey; readonly at: number }[]): Promise<void> {
    if (uses.length === 0) return;
    const rows = uses.map(({ key, at }) => ({ ...columns(key), at: new Date(at).toISOString() }));
    await this.knex.raw(
      `update cached_listing l set last_used_at = greatest(l.last_used_at, u.at)
       from jsonb_to_recordset(?::jsonb)
         as u(organization text, upstream text, repository text, kind text, subject text, page text, at timestamptz)
       where (l.organization, l.upstream, l.repository, l.kind, l.subject, l.page)
         = (u.organization, u.upstream, u.repository, u.kind, u.subject, u.page)`,
      [JSON.stringify(rows)],
    );
  }

  /** The listings of an origin, the most recently used first. */
  async mostRecentlyUsed(origin: string, limit: number): Promise<readonly ListingKey[]> {
    const rows = await this.knex<KeyRow>('cached_listing')
      .where({ origin } as never)
      .orderBy('last_used_at', 'desc')
      .limit(limit)
      .select(...KEY);
    return rows.map(toKey);
  }

  /** Rows after a key in primary key order. */
  async clocks(after: ListingKey | undefined, limit: number): Promise<readonly ListingClocks[]> {
    const query = this.knex<ListingRow>('cached_listing')
      .orderBy([...KEY])
      .limit(limit)
      .select(...KEY, 'confirmed_at', 'last_used_at');
    if (after !== undefined) {
      const values = columns(after);
      query.whereRaw(
        `(${KEY_COLUMNS}) > (?, ?, ?, ?, ?, ?)`,
        KEY.map((name) => values[name]),
      );
    }
    return (await query).map((row) => ({ key: toKey(row), ...toClocks(row) }));
  }

  /** Removes a row that was neither confirmed nor used since it was read. */
  async remove({ key, confirmedAt, lastUsedAt }: ListingClocks): Promise<void> {
    const unchanged = { confirmed_at: new Date(confirmedAt), last_used_at: new Date(lastUsedAt) };
    await this.knex('cached_listing')
      .where({ ...columns(key), ...unchanged })
      .delete();
  }

  /** Removes what an organization has used least recently, until what is left takes no more than so many bytes. */
  async trim(organization: OrganizationName, maxBytes: number): Promise<void> {
    await this.knex.raw(
      `delete from cached_listing where organization = :organization and (${KEY_COLUMNS}) in (
         select ${KEY_COLUMNS} from (
           select *, sum(octet_length(body) + :rowBytes)
             over (order by last_used_at desc, confirmed_at desc, ${KEY_COLUMNS}) as kept
           from cached_listing where organization = :organization) ranked
         where kept > :maxBytes)`,
      { organization, maxBytes, rowBytes: ROW_BYTES },
    );
  }
}

function columns({ repository, kind, subject, page }: ListingKey): KeyRow {
  const { organization, upstream, name } = repository;
  return { organization, upstream, repository: name, kind, subject, page };
}

function toKey(row: KeyRow): ListingKey {
  return {
    repository: {
      organization: row.organization as OrganizationName,
      upstream: row.upstream,
      name: row.repository as RepositoryName,
    },
    kind: row.kind,
    subject: row.subject as Digest | '',
    page: row.page,
  };
}

function toClocks(row: Pick<ListingRow, 'confirmed_at' | 'last_used_at'>) {
  return { confirmedAt: row.confirmed_at.getTime(), lastUsedAt: row.last_used_at.getTime() };
}

function toListing(row: ListingRow): CachedListing {
  const next = row.next === null ? {} : { next: row.next };
  return { body: row.body, ...next, filtered: row.filtered, ...toClocks(row) };
}
