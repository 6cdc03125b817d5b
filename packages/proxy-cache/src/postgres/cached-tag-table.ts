import type { Digest, OrganizationName, RepositoryName, Tag } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { ProxiedRepository, TagKey } from '../ports.js';
import type { CachedTag, PreviousOnMove } from '../tags/cached-tag.js';
import { repeatable } from './repeatable.js';

interface CachedTagRow {
  readonly organization: string;
  readonly upstream: string;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
  readonly confirmed_at: Date;
  readonly last_used_at: Date;
  readonly pinned: boolean;
  readonly previous_digest: string | null;
  readonly previous_confirmed_at: Date | null;
}

/** A use that is to be written down. */
export interface TagUse {
  readonly key: TagKey;
  readonly at: number;
}

/** The rows of cached tags, one function per statement. */
export class CachedTagTable {
  constructor(private readonly knex: Knex) {}

  async find(key: TagKey): Promise<CachedTag | undefined> {
    const row = await repeatable(() => this.knex<CachedTagRow>('cached_tag').where(columns(key)).first());
    return row === undefined ? undefined : toCachedTag(row);
  }

  /** The upstream confirmed the digest. False when the row is gone or points elsewhere by now. */
  async confirm(key: TagKey, digest: Digest, at: number): Promise<boolean> {
    const updated = await repeatable(() =>
      this.knex('cached_tag')
        .where({ ...columns(key), digest })
        .update({ confirmed_at: later(this.knex, new Date(at)) }),
    );
    return updated > 0;
  }

  /**
   * Points the tag at a digest that was confirmed at a time; one statement, so readers see the old or the new. `moved`
   * when it pointed elsewhere before. `onMove` says what becomes of the previous image if it still points where it did.
   */
  async move(
    key: TagKey,
    origin: string,
    digest: Digest,
    at: number,
    onMove?: PreviousOnMove,
  ): Promise<{ readonly entry: CachedTag; readonly moved: boolean }> {
    const time = new Date(at);
    return repeatable(() =>
      this.knex.transaction(async (transaction) => {
        const before = await transaction<CachedTagRow>('cached_tag').where(columns(key)).forUpdate().first();
        if (before !== undefined && before.digest !== digest && before.confirmed_at > time) {
          return { entry: toCachedTag(before), moved: false };
        }
        const [row] = await transaction<CachedTagRow>('cached_tag')
          .insert({ ...columns(key), origin, digest, confirmed_at: time, last_used_at: time, pinned: false } as never)
          .onConflict(['organization', 'upstream', 'repository', 'tag'])
          // The row may have been confirmed later than this answer was asked for (I4).
          .merge({
            origin,
            digest,
            confirmed_at: later(transaction, time),
            ...previousColumns(before, onMove),
          } as never)
          .returning('*');
        const moved = before !== undefined && before.digest !== digest;
        if (moved) await bumpChangeNumber(transaction);
        return { entry: toCachedTag(row as CachedTagRow), moved };
      }),
    );
  }

  /** The previous image has done its duty. Nothing happens when the tag has moved on meanwhile. */
  async dropPrevious(key: TagKey, digest: Digest, previous: Digest): Promise<void> {
    await repeatable(() =>
      this.knex('cached_tag')
        .where({ ...columns(key), digest, previous_digest: previous })
        .update({ previous_digest: null, previous_confirmed_at: null }),
    );
  }

  /** Tags that keep a previous image, after a key in primary key order. */
  async withPrevious(
    after: TagKey | undefined,
    limit: number,
  ): Promise<readonly { readonly key: TagKey; readonly entry: CachedTag }[]> {
    return this.#page(after, limit, (query) => query.whereNotNull('previous_digest'));
  }

  async noteUses(uses: readonly TagUse[]): Promise<void> {
    if (uses.length === 0) return;
    const rows = uses.map(({ key, at }) => ({ ...columns(key), last_used_at: new Date(at).toISOString() }));
    await repeatable(() =>
      this.knex.raw(
        `update cached_tag t set last_used_at = greatest(t.last_used_at, u.last_used_at)
       from jsonb_to_recordset(?::jsonb)
         as u(organization text, upstream text, repository text, tag text, last_used_at timestamptz)
       where t.organization = u.organization and t.upstream = u.upstream
         and t.repository = u.repository and t.tag = u.tag`,
        [JSON.stringify(rows)],
      ),
    );
  }

  /** The tags behind an origin, the most recently used first. */
  async mostRecentlyUsed(origin: string, limit: number): Promise<readonly (TagKey & { readonly entry: CachedTag })[]> {
    const rows = await repeatable(() =>
      this.knex<CachedTagRow & { origin: string }>('cached_tag')
        .where({ origin })
        .orderBy('last_used_at', 'desc')
        .limit(limit),
    );
    return rows.map((row) => ({ ...toKey(row), entry: toCachedTag(row) }));
  }

  /** Whose the tags are that were used last of an origin, and by which upstream: among the latest `limit` of them. */
  async organizationsOf(
    origin: string,
    limit: number,
  ): Promise<readonly Pick<ProxiedRepository, 'organization' | 'upstream'>[]> {
    const latest = this.knex('cached_tag').where({ origin }).orderBy('last_used_at', 'desc').limit(limit);
    return this.knex.from(latest.select('organization', 'upstream').as('latest')).distinct('organization', 'upstream');
  }

  /** Rows after a key in primary key order. */
  async page(
    after: TagKey | undefined,
    limit: number,
  ): Promise<readonly { readonly key: TagKey; readonly entry: CachedTag }[]> {
    return this.#page(after, limit, () => undefined);
  }

  async #page(
    after: TagKey | undefined,
    limit: number,
    narrow: (query: Knex.QueryBuilder<CachedTagRow>) => unknown,
  ): Promise<readonly { readonly key: TagKey; readonly entry: CachedTag }[]> {
    const query = this.knex<CachedTagRow>('cached_tag')
      .orderBy(['organization', 'upstream', 'repository', 'tag'])
      .limit(limit);
    narrow(query);
    if (after !== undefined) {
      const { organization, upstream, repository, tag } = columns(after);
      query.whereRaw('(organization, upstream, repository, tag) > (?, ?, ?, ?)', [
        organization,
        upstream,
        repository,
        tag,
      ]);
    }
    return (await repeatable(() => query)).map((row) => ({ key: toKey(row), entry: toCachedTag(row) }));
  }

  /** False when there is no such row. */
  async pin(key: TagKey, pinned: boolean): Promise<boolean> {
    const updated = await repeatable(() => this.knex('cached_tag').where(columns(key)).update({ pinned }));
    return updated > 0;
  }

  /** The number that moves whenever a tag moves or goes. */
  async changeNumber(): Promise<string> {
    const row = await repeatable(() =>
      this.knex('cached_tag_change').where({ id: 1 }).first<{ number: string }>('number'),
    );
    return String(row?.number);
  }
}

/** `confirmed_at` moves forward only (I4). */
function later(knex: Knex, time: Date): Knex.Raw {
  return knex.raw('greatest(cached_tag.confirmed_at, ?::timestamptz)', [time]);
}

async function bumpChangeNumber(transaction: Knex.Transaction): Promise<void> {
  await transaction('cached_tag_change').where({ id: 1 }).increment('number', 1);
}

function columns({ repository, tag }: TagKey) {
  return { organization: repository.organization, upstream: repository.upstream, repository: repository.name, tag };
}

function toKey(row: CachedTagRow): TagKey {
  return {
    repository: {
      organization: row.organization as OrganizationName,
      upstream: row.upstream,
      name: row.repository as RepositoryName,
    },
    tag: row.tag as Tag,
  };
}

function toCachedTag(row: CachedTagRow): CachedTag {
  return {
    digest: row.digest as Digest,
    confirmedAt: row.confirmed_at.getTime(),
    lastUsedAt: row.last_used_at.getTime(),
    pinned: row.pinned,
    ...(row.previous_digest === null || row.previous_confirmed_at === null
      ? {}
      : { previous: { digest: row.previous_digest as Digest, confirmedAt: row.previous_confirmed_at.getTime() } }),
  };
}

/** Nothing changes when the tag stays, and when somebody else has moved it meanwhile. */
function previousColumns(before: CachedTagRow | undefined, onMove: PreviousOnMove | undefined) {
  if (before === undefined || before.digest !== onMove?.from) return {};
  const { previous } = onMove;
  return {
    previous_digest: previous?.digest ?? null,
    previous_confirmed_at: previous === undefined ? null : new Date(previous.confirmedAt),
  };
}
