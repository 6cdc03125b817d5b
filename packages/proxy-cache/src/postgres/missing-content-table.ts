import {
  callDatabase,
  type Digest,
  type OrganizationName,
  type RepositoryName,
  type UpstreamFailureClass,
} from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type {
  MissingContent,
  MissingFailure,
  MissingState,
  NeededContent,
  Priority,
  WantedBy,
} from '../completing/missing-content.js';
import type { ProxiedRepository } from '../ports.js';
import { repeatable } from './repeatable.js';

interface MissingRow {
  readonly organization: string;
  readonly upstream: string;
  readonly repository: string;
  readonly digest: string;
  readonly kind: 'manifest' | 'blob';
  readonly size: string;
  readonly needed_by: readonly string[];
  readonly wanted_by: WantedBy;
  readonly priority: number;
  readonly max_bytes: string;
  readonly state: MissingState;
  readonly attempts: number;
  readonly failure_class: string | null;
  readonly failed_origin: string | null;
  readonly failed_at: Date | null;
}

/** What is noted of content that is missing. */
export interface Note {
  readonly repository: ProxiedRepository;
  /** The manifest that refers to it. */
  readonly neededBy: Digest;
  readonly contents: readonly NeededContent[];
  readonly wantedBy: WantedBy;
  readonly priority: Priority;
  readonly maxBytes: number;
  readonly state: 'queued' | 'too_large';
  /** When it is noted, and from when it may be fetched. */
  readonly at: number;
  readonly notBefore: number;
}

/** The upstream of an organization. */
export interface Source {
  readonly organization: OrganizationName;
  readonly upstream: string;
}

/** A claim on rows that are due. */
export interface Claim {
  /** Which process claims. */
  readonly owner: string;
  readonly now: number;
  readonly until: number;
  readonly limit: number;
}

/** How much is missing, counted up to `COUNTED_UP_TO` contents. Bytes as the manifests say them. */
export interface MissingSummary {
  readonly contents: number;
  readonly bytes: number;
  readonly queued: number;
  readonly tooLarge: number;
  readonly givenUp: number;
  /** When the oldest of them was noted, ms since the epoch. */
  readonly oldestNotedAt?: number;
}

/** Where counting ends. */
export const MISSING_COUNTED_UP_TO = 10_000;
/** Most rows of one image that are looked at. */
const MAX_OF_IMAGE = 2_000;
const COLUMNS = `organization, upstream, repository, digest, kind, size, needed_by, wanted_by, priority, max_bytes, state, attempts,
  failure_class, failed_origin, failed_at`;
const DUE = `state = 'queued' and not_before <= :now and (leased_until is null or leased_until <= :now)`;

/** The rows of missing content, which are also the queue of what is fetched in the background. One function a statement. */
export class MissingContentTable {
  constructor(private readonly knex: Knex) {}

  /** Notes what is missing. What is noted already keeps its place; what was given up is queued again. */
  async note(note: Note): Promise<void> {
    if (note.contents.length === 0) return;
    // In one order everywhere, so that two that note the same do not wait for each other's locks in a circle.
    const unique = new Map(note.contents.map((content) => [content.digest, content]));
    const rows = [...unique.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1));
    await repeatable(() =>
      this.knex.raw(
        `insert into missing_content as m (organization, upstream, repository, digest, kind, size, needed_by, wanted_by,
           priority, max_bytes, state, noted_at, not_before)
         select :organization, :upstream, :repository, n.digest, n.kind, n.size, array[:neededBy]::text[], :wantedBy,
           :priority, :maxBytes, :state, :at, :notBefore
         from jsonb_to_recordset(:rows::jsonb) as n(digest text, kind text, size bigint)
         on conflict (organization, upstream, repository, digest) do update set
           needed_by = case when excluded.needed_by <@ m.needed_by then m.needed_by
                            else m.needed_by || excluded.needed_by end,
           wanted_by = case when excluded.wanted_by = 'warm' then 'warm' else m.wanted_by end,
           priority = least(m.priority, excluded.priority),
           max_bytes = greatest(m.max_bytes, excluded.max_bytes),
           attempts = case when m.state = 'given_up' then 0 else m.attempts end,
           not_before = case when m.state = 'queued' then m.not_before else excluded.not_before end,
           state = case when m.state = 'queued' then 'queued' else excluded.state end`,
        {
          ...columns(note.repository),
          neededBy: note.neededBy,
          wantedBy: note.wantedBy,
          priority: note.priority,
          maxBytes: note.maxBytes,
          state: note.state,
          at: new Date(note.at),
          notBefore: new Date(note.notBefore),
          rows: JSON.stringify(rows),
        },
      ),
    );
  }

  /**
   * It is stored now, and counts as fetched for whoever wants it warm, in the same statement: who sees that nothing is
   * missing sees how much was fetched.
   */
  async stored(repository: ProxiedRepository, digest: Digest): Promise<void> {
    await repeatable(() =>
      this.knex.raw(
        `with gone as (
           delete from missing_content
           where organization = :organization and upstream = :upstream and repository = :repository and digest = :digest
           returning needed_by, wanted_by, size)
         update warm_reference w set fetched_bytes = w.fetched_bytes + gone.size
         from gone, warm_request q
         where gone.wanted_by = 'warm' and q.id = w.warm_id and w.state in ('waiting', 'fetching')
           and q.organization = :organization and q.upstream = :upstream
           and w.repository = :repository and w.manifests && gone.needed_by`,
        { ...columns(repository), digest },
      ),
    );
  }

  /** Nobody needs it any more. */
  async remove(repository: ProxiedRepository, digest: Digest): Promise<void> {
    await repeatable(() =>
      this.knex('missing_content')
        .where({ ...columns(repository), digest })
        .delete(),
    );
  }

  async find(repository: ProxiedRepository, digest: Digest): Promise<MissingContent | undefined> {
    const row = await repeatable(() =>
      this.knex<MissingRow>('missing_content')
        .where({ ...columns(repository), digest })
        .first(),
    );
    return row === undefined ? undefined : toMissing(row);
  }

  /** What any of these manifests of a repository refers to and misses, the smallest digest first. */
  async missingOf(repository: ProxiedRepository, manifests: readonly Digest[]): Promise<readonly MissingContent[]> {
    const { rows } = await repeatable(() =>
      this.knex.raw<{ rows: readonly MissingRow[] }>(
        `select ${COLUMNS} from missing_content
         where organization = :organization and upstream = :upstream and repository = :repository
           and needed_by && :manifests::text[]
         order by digest limit :most`,
        { ...columns(repository), manifests: [...manifests], most: MAX_OF_IMAGE },
      ),
    );
    return rows.map(toMissing);
  }

  /** The upstreams of which something waits, in the order of their names, one index look-up for each. */
  async sources(after: Source | undefined, limit: number): Promise<readonly Source[]> {
    const { rows } = await repeatable(() =>
      this.knex.raw<{ rows: readonly Source[] }>(
        `with recursive source as (
           (select organization, upstream from missing_content
             where state = 'queued' and (organization, upstream) > (:organization, :upstream)
             order by organization, upstream limit 1)
           union all
           select n.organization, n.upstream from source s, lateral (
             select organization, upstream from missing_content m
             where m.state = 'queued' and (m.organization, m.upstream) > (s.organization, s.upstream)
             order by organization, upstream limit 1) n
         ) select organization, upstream from source limit :limit`,
        { organization: after?.organization ?? '', upstream: after?.upstream ?? '', limit },
      ),
    );
    return rows;
  }

  /**
   * Claims what is due of an upstream, the most urgent first, for a process. What failed last at one of the origins that
   * are known to be down is left alone.
   */
  async claim(
    source: Source,
    only: WantedBy | undefined,
    down: readonly string[],
    claim: Claim,
  ): Promise<readonly MissingContent[]> {
    return this.#claim(
      `organization = :organization and upstream = :upstream and ${DUE}
         and (:only::text is null or wanted_by = :only) and not (coalesce(failed_origin, '') = any(:down::text[]))`,
      { ...source, only: only ?? null, down: [...down] },
      claim,
    );
  }

  /** Claims one content whose last attempt failed at an origin, due or not: to find out how the origin is. */
  async claimAt(source: Source, failedOrigin: string, claim: Claim): Promise<MissingContent | undefined> {
    const [one] = await this.#claim(
      `organization = :organization and upstream = :upstream and failed_origin = :failedOrigin and state = 'queued'
         and (leased_until is null or leased_until <= :now)`,
      { ...source, failedOrigin },
      { ...claim, limit: 1 },
    );
    return one;
  }

  /** The upstreams of which something failed last at an origin. */
  async sourcesFailedAt(origin: string, limit: number): Promise<readonly Source[]> {
    return this.knex<Source>('missing_content')
      .where({ failed_origin: origin } as never)
      .distinct('organization', 'upstream')
      .limit(limit);
  }

  /** Goes on holding what a process has claimed. */
  async renew(owner: string, until: number): Promise<void> {
    await this.knex('missing_content')
      .where({ lease_owner: owner })
      .update({ leased_until: new Date(until) });
  }

  /** Gives back everything that a process has claimed. */
  async release(owner: string): Promise<void> {
    await this.knex('missing_content').where({ lease_owner: owner }).update({ lease_owner: null, leased_until: null });
  }

  /** An attempt was in vain: it is tried again later, or not at all. Without a `failure` it does not count as one. */
  async putOff(
    content: Pick<MissingContent, 'repository' | 'digest'>,
    notBefore: number,
    failure?: MissingFailure & { readonly state: MissingState },
  ): Promise<void> {
    await this.knex('missing_content')
      .where({ ...columns(content.repository), digest: content.digest })
      .update({
        lease_owner: null,
        leased_until: null,
        not_before: new Date(notBefore),
        ...(failure === undefined
          ? {}
          : {
              attempts: this.knex.raw('attempts + 1'),
              state: failure.state,
              ...failureColumns(failure),
            }),
      });
  }

  /** Queues what was given up, and was tried last at a time or before it, for now. Its attempts go on counting. */
  async queueAgain(
    repository: ProxiedRepository,
    digests: readonly Digest[],
    triedBefore: number,
    now: number,
  ): Promise<void> {
    await this.knex('missing_content')
      .where({ ...columns(repository), state: 'given_up' })
      .whereIn('digest', digests)
      .where('failed_at', '<=', new Date(triedBefore))
      .update({ state: 'queued', not_before: new Date(now) });
  }

  /** Somebody else's attempt was in vain, and counts as none. Without effect where nothing misses the content. */
  async failed(repository: ProxiedRepository, digest: Digest, failure: MissingFailure): Promise<void> {
    await this.knex('missing_content')
      .where({ ...columns(repository), digest })
      .update(failureColumns(failure));
  }

  /** How much an organization's images miss. @param only what counts as queued */
  async summary(source: Source, only: WantedBy | undefined): Promise<MissingSummary> {
    return this.#summary('where organization = :organization and upstream = :upstream', only, { ...source });
  }

  /** How much all images miss. */
  async total(): Promise<MissingSummary> {
    return this.#summary('', undefined, {});
  }

  /**
   * Removes a batch of rows that were noted before a time; resolves to how many. Not those of a repository that a tag has a
   * previous image in: as long as it may be needed, what the newer one misses has to be known.
   */
  async removeNotedBefore(before: number, limit: number): Promise<number> {
    const result = await this.knex.raw<{ rowCount: number }>(
      `delete from missing_content where ctid in (
         select m.ctid from missing_content m
         where m.noted_at < ? and not exists (
           select 1 from cached_tag t
           where t.organization = m.organization and t.upstream = m.upstream and t.repository = m.repository
             and t.previous_digest is not null)
         limit ?)`,
      [new Date(before), limit],
    );
    return result.rowCount;
  }

  async #claim(
    where: string,
    bindings: Readonly<Record<string, unknown>>,
    { owner, now, until, limit }: Claim,
  ): Promise<readonly MissingContent[]> {
    const { rows } = await callDatabase(() =>
      this.knex.raw<{ rows: readonly MissingRow[] }>(
        `update missing_content set lease_owner = :owner, leased_until = :until
         where (organization, upstream, repository, digest) in (
           select organization, upstream, repository, digest from missing_content
           where ${where}
           order by priority, not_before limit :limit for update skip locked)
         returning ${COLUMNS}`,
        { ...bindings, owner, now: new Date(now), until: new Date(until), limit } as never,
      ),
    );
    return rows.map(toMissing);
  }

  async #summary(
    where: string,
    only: WantedBy | undefined,
    bindings: Readonly<Record<string, string>>,
  ): Promise<MissingSummary> {
    const { rows } = await repeatable(() =>
      this.knex.raw<{
        rows: readonly {
          readonly contents: number;
          readonly bytes: string;
          readonly queued: number;
          readonly too_large: number;
          readonly given_up: number;
          readonly oldest: Date | null;
        }[];
      }>(
        `select count(*)::int as contents, coalesce(sum(size), 0) as bytes,
           count(*) filter (where state = 'queued' and (:only::text is null or wanted_by = :only))::int as queued,
           count(*) filter (where state = 'too_large')::int as too_large,
           count(*) filter (where state = 'given_up')::int as given_up, min(noted_at) as oldest
         from (select state, wanted_by, size, noted_at from missing_content ${where} limit :most) counted`,
        { ...bindings, only: only ?? null, most: MISSING_COUNTED_UP_TO },
      ),
    );
    const [row] = rows;
    return {
      contents: row?.contents ?? 0,
      bytes: Number(row?.bytes ?? 0),
      queued: row?.queued ?? 0,
      tooLarge: row?.too_large ?? 0,
      givenUp: row?.given_up ?? 0,
      ...(row === undefined || row.oldest === null ? {} : { oldestNotedAt: row.oldest.getTime() }),
    };
  }
}

function columns({ organization, upstream, name }: ProxiedRepository) {
  return { organization, upstream, repository: name };
}

function failureColumns({ failureClass, origin, at }: MissingFailure) {
  return { failure_class: failureClass, failed_origin: origin ?? null, failed_at: new Date(at) };
}

function toMissing(row: MissingRow): MissingContent {
  return {
    repository: {
      organization: row.organization as OrganizationName,
      upstream: row.upstream,
      name: row.repository as RepositoryName,
    },
    digest: row.digest as Digest,
    kind: row.kind,
    size: Number(row.size),
    neededBy: row.needed_by as readonly Digest[],
    wantedBy: row.wanted_by,
    priority: row.priority as Priority,
    maxBytes: Number(row.max_bytes),
    state: row.state,
    attempts: row.attempts,
    ...toFailure(row),
  };
}

function toFailure(row: MissingRow): { readonly failure?: MissingFailure } {
  if (row.failure_class === null || row.failed_at === null) return {};
  const origin = row.failed_origin === null ? {} : { origin: row.failed_origin };
  return {
    failure: { failureClass: row.failure_class as UpstreamFailureClass, ...origin, at: row.failed_at.getTime() },
  };
}
