import {
  callDatabase,
  formatReference,
  type OrganizationName,
  parseReference,
  type Reference,
  type RepositoryName,
} from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type {
  ClaimedWarmImage,
  NewWarmRequest,
  WarmFailure,
  WarmManifests,
  WarmProgress,
  WarmRequest,
  WarmState,
} from '../warm/warm-request.js';
import type { Claim, Source } from './missing-content-table.js';
import { repeatable } from './repeatable.js';

interface ClaimedRow {
  readonly warm_id: string;
  readonly position: number;
  readonly organization: string;
  readonly upstream: string;
  readonly repository: string;
  readonly reference: string;
  readonly platforms: readonly string[] | null;
  readonly attempts: number;
}

interface ProgressRow {
  readonly repository: string;
  readonly reference: string;
  readonly state: WarmState;
  readonly missing: number;
  readonly missing_bytes: string;
  readonly fetched_bytes: string;
  readonly failure_reason: string | null;
  readonly failure_message: string | null;
}

/** What an image of `w`, a reference, and `q`, its request, misses. */
const MISSING = `m.organization = q.organization and m.upstream = q.upstream and m.repository = w.repository
  and m.needed_by && w.manifests`;

/** The rows of warm requests, one function per statement. */
export class WarmTable {
  constructor(private readonly knex: Knex) {}

  /** Writes a request down; the background begins with it. */
  async create(id: string, request: NewWarmRequest, at: number): Promise<void> {
    const time = new Date(at);
    const { organization, upstream, requestedBy, images, platforms } = request;
    await callDatabase(() =>
      this.knex.transaction(async (transaction) => {
        await transaction('warm_request').insert({
          id,
          organization,
          upstream,
          requested_by: requestedBy,
          requested_at: time,
          platforms: platforms === undefined ? null : [...platforms],
        });
        await transaction('warm_reference').insert(
          images.map(({ repository, reference }, position) => ({
            warm_id: id,
            position,
            repository,
            reference: formatReference(reference),
            state: 'waiting',
            not_before: time,
          })),
        );
      }),
    );
  }

  /** A request of an organization; `undefined` when it has none of that id. */
  async find(organization: OrganizationName, id: string): Promise<WarmRequest | undefined> {
    const request = await repeatable(() =>
      this.knex<{ readonly requested_by: string; readonly requested_at: Date }>('warm_request')
        .where({ id, organization } as never)
        .first(),
    );
    if (request === undefined) return undefined;
    const { rows } = await repeatable(() =>
      this.knex.raw<{ rows: readonly ProgressRow[] }>(
        `select w.repository, w.reference, w.state, w.fetched_bytes, w.failure_reason, w.failure_message,
           left_over.missing, left_over.missing_bytes
         from warm_reference w join warm_request q on q.id = w.warm_id, lateral (
           select count(*)::int as missing, coalesce(sum(m.size), 0) as missing_bytes from missing_content m
           where w.state = 'fetching' and ${MISSING}) left_over
         where w.warm_id = ? order by w.position`,
        [id],
      ),
    );
    const { requested_by: requestedBy, requested_at: requestedAt } = request;
    return { id, requestedBy, requestedAt: requestedAt.getTime(), images: rows.map(toProgress) };
  }

  /** The upstreams of which a manifest is to be fetched now. */
  async sources(now: number, limit: number): Promise<readonly Source[]> {
    const { rows } = await repeatable(() =>
      this.knex.raw<{ rows: readonly Source[] }>(
        `select distinct q.organization, q.upstream from (
           select warm_id from warm_reference where state = 'waiting' and not_before <= ? limit 1000) w
         join warm_request q on q.id = w.warm_id limit ?`,
        [new Date(now), limit],
      ),
    );
    return rows;
  }

  /** Claims images whose manifests are to be fetched. */
  async claim({ organization, upstream }: Source, claim: Claim): Promise<readonly ClaimedWarmImage[]> {
    const { owner, now, until, limit } = claim;
    const { rows } = await callDatabase(() =>
      this.knex.raw<{ rows: readonly ClaimedRow[] }>(
        `update warm_reference r set lease_owner = :owner, leased_until = :until
         from warm_request q
         where q.id = r.warm_id and (r.warm_id, r.position) in (
           select w.warm_id, w.position from warm_reference w join warm_request q on q.id = w.warm_id
           where w.state = 'waiting' and w.not_before <= :now and (w.leased_until is null or w.leased_until <= :now)
             and q.organization = :organization and q.upstream = :upstream
           order by q.requested_at, w.position limit :limit for update of w skip locked)
         returning r.warm_id, r.position, q.organization, q.upstream, r.repository, r.reference, q.platforms, r.attempts`,
        { organization, upstream, owner, now: new Date(now), until: new Date(until), limit },
      ),
    );
    return rows.map(toClaimed);
  }

  /** Its manifest is there. Before what the image misses is noted, so that all of it is counted. */
  async found({ id, position }: ClaimedWarmImage, manifests: WarmManifests): Promise<void> {
    await this.knex('warm_reference')
      .where({ warm_id: id, position })
      .update({ manifests: [...manifests] });
  }

  /** What the image misses is noted. */
  async begun({ id, position }: ClaimedWarmImage): Promise<void> {
    await this.#update(id, position, { state: 'fetching' });
  }

  async failed({ id, position }: ClaimedWarmImage, failure: WarmFailure): Promise<void> {
    const { reason, message } = failure;
    await this.#update(id, position, { state: 'failed', failure_reason: reason, failure_message: message });
  }

  /** It is tried again later. */
  async putOff({ id, position }: ClaimedWarmImage, notBefore: number, counts: boolean): Promise<void> {
    const attempts = counts ? { attempts: this.knex.raw('attempts + 1') } : {};
    await this.#update(id, position, { not_before: new Date(notBefore), ...attempts });
  }

  /**
   * Ends what is complete, and what never will be: of which all that is missing was given up, or is too large. False when
   * nothing was under way.
   */
  async settle(): Promise<boolean> {
    const open = this.knex('warm_reference').whereIn('state', ['waiting', 'fetching']).first('position');
    if ((await repeatable(() => open)) === undefined) return false;
    await repeatable(() =>
      this.knex.raw(
        `with open as (
           select w.warm_id, w.position, count(m.digest) as missing, count(*) filter (where m.state = 'queued') as queued,
             count(*) filter (where m.state = 'too_large') as too_large, max(m.failure_class) as failure_class
           from warm_reference w join warm_request q on q.id = w.warm_id left join missing_content m on ${MISSING}
           where w.state = 'fetching' group by w.warm_id, w.position)
         update warm_reference r set
           state = case when o.missing = 0 then 'done' else 'failed' end,
           failure_reason = case when o.missing = 0 then null when o.too_large > 0 then 'too_large'
                                 else coalesce(o.failure_class, 'unknown') end,
           failure_message = case when o.missing = 0 then null
             when o.too_large > 0 then 'the image misses more bytes than prefetch_max_bytes allows'
             else o.missing || ' of its blobs or manifests could not be fetched' end
         from open o where o.queued = 0 and r.warm_id = o.warm_id and r.position = o.position`,
      ),
    );
    return true;
  }

  async release(owner: string): Promise<void> {
    await this.knex('warm_reference').where({ lease_owner: owner }).update({ lease_owner: null, leased_until: null });
  }

  /** Removes requests that were made before a time; resolves to how many. */
  async removeBefore(before: number, limit: number): Promise<number> {
    const old = this.knex('warm_request').where('requested_at', '<', new Date(before)).limit(limit).select('id');
    return this.knex('warm_request').whereIn('id', old).delete();
  }

  async #update(id: string, position: number, columns: Readonly<Record<string, unknown>>): Promise<void> {
    await this.knex('warm_reference')
      .where({ warm_id: id, position })
      .update({ ...columns, lease_owner: null, leased_until: null });
  }
}

function toClaimed(row: ClaimedRow): ClaimedWarmImage {
  return {
    id: row.warm_id,
    position: row.position,
    organization: row.organization as OrganizationName,
    upstream: row.upstream,
    repository: row.repository as RepositoryName,
    reference: referenceOf(row.reference),
    platforms: row.platforms ?? undefined,
    attempts: row.attempts,
  };
}

function toProgress(row: ProgressRow): WarmProgress {
  const { failure_reason: reason, failure_message: message } = row;
  return {
    repository: row.repository as RepositoryName,
    reference: referenceOf(row.reference),
    state: row.state,
    missing: row.missing,
    missingBytes: Number(row.missing_bytes),
    fetchedBytes: Number(row.fetched_bytes),
    ...(reason === null || message === null ? {} : { failure: { reason, message } }),
  };
}

function referenceOf(text: string): Reference {
  const reference = parseReference(text);
  if (reference === undefined) throw new Error('a reference that was written down is none');
  return reference;
}
