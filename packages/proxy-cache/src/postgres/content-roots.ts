import {
  type CollectionRun,
  CollectionSupersededError,
  type Digest,
  type OrganizationName,
  type Reference,
  type RepositoryName,
  type Tag,
} from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { ProxiedRepository } from '../ports.js';

/** A cached tag, or a use by digest: what keeps a manifest from being collected. Times are ms since the epoch. */
export interface ContentRoot {
  readonly kind: RootKind;
  readonly repository: ProxiedRepository;
  /** The tag, or the digest. */
  readonly reference: string;
  readonly digest: Digest;
  readonly confirmedAt: number;
  readonly lastUsedAt: number;
  readonly pinned: boolean;
}

export type RootKind = 'tag' | 'digest';

/** All that one organization has cached from one upstream. */
export interface RootGroup {
  readonly organization: OrganizationName;
  readonly upstream: string;
}

/** Where a page of roots ended. */
export interface RootPosition extends RootGroup {
  readonly repository: string;
  readonly reference: string;
  /** The time that due roots are ordered by, ms since the epoch. */
  readonly at?: number;
}

/** Only roots that were used, and confirmed, before these times (ms since the epoch). */
export interface DueBounds {
  readonly usedBefore: number;
  readonly confirmedBefore: number;
}

interface RootRow {
  readonly kind: RootKind;
  readonly organization: OrganizationName;
  readonly upstream: string;
  readonly repository: RepositoryName;
  readonly reference: string;
  readonly digest: Digest;
  readonly confirmed_at: Date;
  readonly last_used_at: Date;
  readonly pinned: boolean;
}

const TABLES = {
  tag: { name: 'cached_tag', reference: 'tag', pinned: 'pinned', unpinned: 'not pinned' },
  digest: { name: 'digest_use', reference: 'digest', pinned: 'false', unpinned: 'true' },
} as const;

/** What keeps manifests from being collected: the cached tags and the uses by digest that point to them. */
export class ContentRoots {
  constructor(private readonly knex: Knex) {}

  /** Roots of one kind after a position, in order of their key. */
  async page(
    kind: RootKind,
    organization: OrganizationName | undefined,
    after: RootPosition | undefined,
    limit: number,
  ): Promise<readonly ContentRoot[]> {
    const { reference } = TABLES[kind];
    const rows = await this.#select(
      `${select(kind)}
        where (organization, upstream, repository, ${reference}) > (:afterOrganization, :afterUpstream, :repository, :reference)
          ${organization === undefined ? '' : 'and organization = :organization'}
        order by organization, upstream, repository, ${reference} limit :limit`,
      {
        afterOrganization: after?.organization ?? '',
        afterUpstream: after?.upstream ?? '',
        repository: after?.repository ?? '',
        reference: after?.reference ?? '',
        limit,
        ...(organization === undefined ? {} : { organization }),
      },
    );
    return rows.map(toRoot);
  }

  /** The root of a name: one for each upstream that the organization has had. */
  async named(
    kind: RootKind,
    organization: OrganizationName,
    repository: RepositoryName,
    reference: string,
  ): Promise<readonly ContentRoot[]> {
    const rows = await this.#select(
      `${select(kind)}
        where organization = :organization and repository = :repository and ${TABLES[kind].reference} = :reference
        order by upstream`,
      { organization, repository, reference },
    );
    return rows.map(toRoot);
  }

  /** The first organization and upstream after another that has roots of a kind. Reads one row. */
  async nextGroup(
    kind: RootKind,
    organization: OrganizationName | undefined,
    after: RootGroup | undefined,
  ): Promise<RootGroup | undefined> {
    const [row] = await this.#select(
      `select organization, upstream from ${TABLES[kind].name}
        where (organization, upstream) > (:afterOrganization, :afterUpstream)
          ${organization === undefined ? '' : 'and organization = :organization'}
        order by organization, upstream limit 1`,
      {
        afterOrganization: after?.organization ?? '',
        afterUpstream: after?.upstream ?? '',
        ...(organization === undefined ? {} : { organization }),
      },
    );
    return row === undefined ? undefined : { organization: row.organization, upstream: row.upstream };
  }

  /** The first organization and upstream after another that has roots of any kind. Reads two rows. */
  async nextGroupOfAny(
    organization: OrganizationName | undefined,
    after: RootGroup | undefined,
  ): Promise<RootGroup | undefined> {
    const [tag, digest] = await Promise.all([
      this.nextGroup('tag', organization, after),
      this.nextGroup('digest', organization, after),
    ]);
    if (tag === undefined || digest === undefined) return tag ?? digest;
    return isBefore(digest, tag) ? digest : tag;
  }

  /** The root of a kind that a group used last, pinned or not. Reads one row. */
  async mostRecentlyUsed(kind: RootKind, group: RootGroup): Promise<ContentRoot | undefined> {
    const [row] = await this.#select(
      `${select(kind)} where organization = :organization and upstream = :upstream
        order by last_used_at desc limit 1`,
      { ...group },
    );
    return row === undefined ? undefined : toRoot(row);
  }

  /**
   * Roots of a group, pinned ones left out, that are before both bounds. Found by the index of the earlier bound, so that
   * what is read is, but for what has one clock far ahead of the other, what is found.
   */
  async due(
    kind: RootKind,
    group: RootGroup,
    bounds: DueBounds,
    after: RootPosition | undefined,
    limit: number,
  ): Promise<readonly ContentRoot[]> {
    const { reference, unpinned } = TABLES[kind];
    const clock = dueClock(bounds);
    const rows = await this.#select(
      `${select(kind)}
        where organization = :organization and upstream = :upstream and ${unpinned}
          and last_used_at < :usedBefore and confirmed_at < :confirmedBefore
          ${after === undefined ? '' : `and (${clock}, repository, ${reference}) > (:at, :repository, :reference)`}
        order by ${clock}, repository, ${reference} limit :limit`,
      {
        ...group,
        usedBefore: new Date(bounds.usedBefore),
        confirmedBefore: new Date(bounds.confirmedBefore),
        limit,
        ...(after === undefined
          ? {}
          : { at: new Date(after.at ?? 0), repository: after.repository, reference: after.reference }),
      },
    );
    return rows.map(toRoot);
  }

  /** The roots that point to each of these manifests, at most `most` tags each, in the order they were asked for. */
  async pointingTo(
    manifests: readonly { readonly repository: ProxiedRepository; readonly digest: Digest }[],
    most: number,
  ): Promise<readonly (readonly ContentRoot[])[]> {
    if (manifests.length === 0) return [];
    const asked = manifests.map(({ repository, digest }, index) => ({
      organization: repository.organization,
      upstream: repository.upstream,
      repository: repository.name,
      digest,
      index,
    }));
    const pointing = (kind: RootKind, digest: string) => `
      (${select(kind)} where organization = w.organization and upstream = w.upstream and repository = w.repository
         and ${digest} = w.digest limit :most)`;
    // The previous image of a tag stays as long as the tag does, and knows of it.
    const rows = await this.#select<RootRow & { readonly index: number }>(
      `select w.index, r.*
         from jsonb_to_recordset(cast(:asked as jsonb))
                as w(organization text, upstream text, repository text, digest text, index int)
        cross join lateral (${pointing('tag', 'digest')} union all ${pointing('tag', 'previous_digest')}
                            union all ${pointing('digest', 'digest')}) r`,
      { asked: JSON.stringify(asked), most },
    );
    const found = manifests.map((): ContentRoot[] => []);
    for (const row of rows) found[row.index]?.push(toRoot(row));
    return found;
  }

  /**
   * Removes roots of one kind that are still exactly as they were read; one boolean each. Rows that somebody else has in
   * hand are left, so that nobody waits for anybody.
   *
   * @throws CollectionSupersededError (code COLLECTION_SUPERSEDED)
   */
  async remove(kind: RootKind, roots: readonly ContentRoot[], run: CollectionRun): Promise<readonly boolean[]> {
    if (roots.length === 0) return [];
    const { name, reference, unpinned } = TABLES[kind];
    const listed = roots.map((root, index) => ({
      organization: root.repository.organization,
      upstream: root.repository.upstream,
      repository: root.repository.name,
      reference: root.reference,
      digest: root.digest,
      confirmed_at: new Date(root.confirmedAt).toISOString(),
      last_used_at: new Date(root.lastUsedAt).toISOString(),
      index,
    }));
    const removed = await this.knex.transaction(async (transaction) => {
      const { rows } = await transaction.raw<{ rows: readonly { index: number }[] }>(
        `with listed as (
           select * from jsonb_to_recordset(cast(:listed as jsonb))
             as l(organization text, upstream text, repository text, reference text, digest text,
                  confirmed_at timestamptz, last_used_at timestamptz, index int)),
         locked as (
           select r.ctid as row, l.index from ${name} r join listed l
             on r.organization = l.organization and r.upstream = l.upstream and r.repository = l.repository
            and r.${reference} = l.reference
            where r.digest = l.digest and r.confirmed_at = l.confirmed_at and r.last_used_at = l.last_used_at and ${unpinned}
              for update of r skip locked)
         delete from ${name} r using locked where r.ctid = locked.row returning locked.index`,
        { listed: JSON.stringify(listed) },
      );
      // Last, as a move does it, so that the two cannot wait for each other.
      const { rowCount } = await transaction.raw<{ rowCount: number }>(
        `update cached_tag_change
            set number = number + 1, collector_token = greatest(collector_token, cast(:token as bigint))
          where id = 1 and (cast(:token as bigint) is null or collector_token <= cast(:token as bigint))`,
        { token: run.token ?? null },
      );
      if (rowCount === 0) throw new CollectionSupersededError(run);
      return new Set(rows.map(({ index }) => index));
    });
    return roots.map((_, index) => removed.has(index));
  }

  async #select<Row = RootRow>(sql: string, bindings: Readonly<Record<string, Knex.RawBinding>>) {
    const { rows } = await this.knex.raw<{ readonly rows: readonly Row[] }>(sql, bindings);
    return rows;
  }
}

/** What the manifest of a root is asked for by. */
export function referenceOf({ kind, reference, digest }: ContentRoot): Reference {
  return kind === 'tag' ? { kind, tag: reference as Tag } : { kind, digest };
}

/** In the order of the database, whose names are compared by their bytes. */
function isBefore(one: RootGroup, other: RootGroup): boolean {
  if (one.organization !== other.organization) return one.organization < other.organization;
  return one.upstream < other.upstream;
}

/** The clock whose bound is the earlier one. */
export function dueClock({ usedBefore, confirmedBefore }: DueBounds): 'last_used_at' | 'confirmed_at' {
  return confirmedBefore < usedBefore ? 'confirmed_at' : 'last_used_at';
}

function select(kind: RootKind): string {
  const { name, reference, pinned } = TABLES[kind];
  return `select '${kind}' as kind, organization, upstream, repository, ${reference} as reference, digest,
                 confirmed_at, last_used_at, ${pinned} as pinned from ${name}`;
}

function toRoot(row: RootRow): ContentRoot {
  return {
    kind: row.kind,
    repository: { organization: row.organization, upstream: row.upstream, name: row.repository },
    reference: row.reference,
    digest: row.digest,
    confirmedAt: row.confirmed_at.getTime(),
    lastUsedAt: row.last_used_at.getTime(),
    pinned: row.pinned,
  };
}
