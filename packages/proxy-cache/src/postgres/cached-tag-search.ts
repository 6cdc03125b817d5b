import type { Digest, OrganizationName, RepositoryName, Tag } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { ListedTag } from '../cache-view/cached-tag-view.js';
import type { CachedTagState } from '../decision/freshness.js';
import { repeatable } from './repeatable.js';

/** What the list of cached tags can be sorted by. */
export const TAG_SORTS = ['reference', 'last_pull', 'confirmed'] as const;
export type TagSort = (typeof TAG_SORTS)[number];

/** Which cached tags of an organization are wanted. */
export interface TagSearch {
  readonly organization: OrganizationName;
  readonly upstream: string;
  /** Part of `repository:tag`, in whatever case. */
  readonly search: string | undefined;
  readonly confirmed: ConfirmedRange;
  readonly pinned: boolean | undefined;
}

/** Times of confirmation, ms since the epoch: after `after`, at the earliest `from`, at the latest `to`, before `before`. */
export interface ConfirmedRange {
  readonly after?: number;
  readonly from?: number;
  readonly to?: number;
  readonly before?: number;
  /** Nothing is in that state. */
  readonly nothing?: true;
}

/** A page of a search. `after` is the position of the last tag of the page before. */
export interface TagSearchPage {
  readonly sort: TagSort;
  readonly descending: boolean;
  readonly after: readonly string[] | undefined;
  readonly limit: number;
}

/** Where counting ends. */
export const TAGS_COUNTED_UP_TO = 10_000;
/** How many parts a position has. */
export const POSITION_PARTS = 3;

interface TagRow {
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
  readonly confirmed_at: Date;
  readonly last_used_at: Date;
  readonly pinned: boolean;
}

const COLUMNS: Readonly<Record<TagSort, string | undefined>> = {
  reference: undefined,
  last_pull: 'last_used_at',
  confirmed: 'confirmed_at',
};

/** The times of confirmation of the tags that are in a state now. */
export function confirmedRange(
  state: CachedTagState | undefined,
  periods: { readonly stalenessPeriodS: number; readonly checkIntervalS: number | null },
  now: number,
): ConfirmedRange {
  const { stalenessPeriodS } = periods;
  const checkedS = periods.checkIntervalS ?? stalenessPeriodS;
  const lapsedBefore = now - stalenessPeriodS * 1000;
  const freshAfter = now - checkedS * 1000;
  if (state === undefined) return {};
  if (stalenessPeriodS === 0) return state === 'lapsed' ? {} : { nothing: true };
  if (state === 'lapsed') return { before: lapsedBefore };
  if (checkedS === 0) return state === 'fresh' ? { nothing: true } : { from: lapsedBefore };
  return state === 'fresh' ? { after: freshAfter } : { from: lapsedBefore, to: freshAfter };
}

/** Searches the cached tags of an organization, page by page and by index. */
export class CachedTagSearch {
  constructor(private readonly knex: Knex) {}

  /** @throws RegistryError UNAVAILABLE when the database cannot be asked */
  async page(search: TagSearch, { sort, descending, after, limit }: TagSearchPage): Promise<readonly ListedTag[]> {
    const column = COLUMNS[sort];
    const keys = [...(column === undefined ? [] : [column]), 'repository', 'tag'];
    const { where, bindings } = conditions(search);
    const [value = '', repository = '', tag = ''] = after ?? [];
    const position = column === undefined ? ':repository, :tag' : ':value::timestamptz, :repository, :tag';
    const beyond = after === undefined ? '' : `and (${keys.join(', ')}) ${descending ? '<' : '>'} (${position})`;
    const direction = descending ? 'desc' : 'asc';
    const { rows } = await repeatable(() =>
      this.knex.raw<{ rows: readonly TagRow[] }>(
        `select repository, tag, digest, confirmed_at, last_used_at, pinned from cached_tag
         where ${where} ${beyond} order by ${keys.map((key) => `${key} ${direction}`).join(', ')} limit :limit`,
        { ...bindings, repository, tag, value: column === undefined ? '' : value, limit },
      ),
    );
    return rows.map(toListed);
  }

  /** How many there are, up to `TAGS_COUNTED_UP_TO`. */
  async count(search: TagSearch): Promise<number> {
    const { where, bindings } = conditions(search);
    const { rows } = await repeatable(() =>
      this.knex.raw<{ rows: readonly { readonly n: number }[] }>(
        `select count(*)::int as n from (select 1 from cached_tag where ${where} limit :most) counted`,
        { ...bindings, most: TAGS_COUNTED_UP_TO },
      ),
    );
    return rows[0]?.n ?? 0;
  }
}

/** Where a page goes on after a tag. */
export function positionOf(tag: ListedTag, sort: TagSort): readonly string[] {
  const time = sort === 'last_pull' ? tag.lastUsedAt : tag.confirmedAt;
  return [sort === 'reference' ? '' : new Date(time).toISOString(), tag.repository, tag.tag];
}

function conditions({ organization, upstream, search, confirmed, pinned }: TagSearch): {
  readonly where: string;
  readonly bindings: Readonly<Record<string, Knex.RawBinding>>;
} {
  const { after, from, to, before } = confirmed;
  const parts = [
    'organization = :organization and upstream = :upstream',
    ...(search === undefined ? [] : [`repository || ':' || tag ilike :pattern`]),
    ...(after === undefined ? [] : ['confirmed_at > :after']),
    ...(from === undefined ? [] : ['confirmed_at >= :from']),
    ...(to === undefined ? [] : ['confirmed_at <= :to']),
    ...(before === undefined ? [] : ['confirmed_at < :before']),
    ...(confirmed.nothing === undefined ? [] : ['false']),
    ...(pinned === undefined ? [] : [pinned ? 'pinned' : 'not pinned']),
  ];
  return {
    where: parts.join(' and '),
    bindings: {
      organization,
      upstream,
      pattern: `%${(search ?? '').replace(/[\\%_]/g, '\\$&')}%`,
      after: new Date(after ?? 0),
      from: new Date(from ?? 0),
      to: new Date(to ?? 0),
      before: new Date(before ?? 0),
    },
  };
}

function toListed(row: TagRow): ListedTag {
  return {
    repository: row.repository as RepositoryName,
    tag: row.tag as Tag,
    digest: row.digest as Digest,
    confirmedAt: row.confirmed_at.getTime(),
    lastUsedAt: row.last_used_at.getTime(),
    pinned: row.pinned,
  };
}
