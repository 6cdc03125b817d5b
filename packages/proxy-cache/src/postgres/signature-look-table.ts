import { callDatabase, type Digest, type OrganizationName, type RepositoryName } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { ProxiedRepository } from '../ports.js';
import type { NextLook } from '../signatures/look-schedule.js';
import type { Source } from './missing-content-table.js';
import { repeatable } from './repeatable.js';

interface LookRow {
  readonly organization: string;
  readonly upstream: string;
  readonly repository: string;
  readonly digest: string;
  readonly misses: number;
  readonly attempts: number;
  readonly absent_at: Date;
}

/** A look for the signatures of an image that is due. Times are ms since the epoch. */
export interface DueLook {
  readonly repository: ProxiedRepository;
  /** The image's manifest. */
  readonly digest: Digest;
  /** How often something was looked for and not there. */
  readonly misses: number;
  /** How often this look has failed. */
  readonly attempts: number;
  /** From when what was not there is looked for again. */
  readonly absentAt: number;
}

/** The rows of looks for signatures, one function per statement: one row for each image that was pulled. */
export class SignatureLookTable {
  constructor(private readonly knex: Knex) {}

  /** Notes that an image was pulled: a look is due at `from`, unless the next one is not yet. */
  async note(repository: ProxiedRepository, digest: Digest, now: number, from: number): Promise<void> {
    await repeatable(() =>
      this.knex.raw(
        `insert into signature_look as l (organization, upstream, repository, digest, pending, next_at, absent_at)
         values (:organization, :upstream, :repository, :digest, true, :from, :now)
         on conflict (organization, upstream, repository, digest) do update
           set pending = true, next_at = excluded.next_at, attempts = 0
           where not l.pending and l.next_at <= :now`,
        { ...columns(repository), digest, now: new Date(now), from: new Date(from) },
      ),
    );
  }

  /** The upstreams of which something waits, one index look-up for each. */
  async sources(limit: number): Promise<readonly Source[]> {
    const { rows } = await repeatable(() =>
      this.knex.raw<{ rows: readonly Source[] }>(
        `with recursive source as (
           (select organization, upstream from signature_look where pending order by organization, upstream limit 1)
           union all
           select n.organization, n.upstream from source s, lateral (
             select organization, upstream from signature_look l
             where l.pending and (l.organization, l.upstream) > (s.organization, s.upstream)
             order by organization, upstream limit 1) n
         ) select organization, upstream from source limit :limit`,
        { limit },
      ),
    );
    return rows;
  }

  /** Claims what is due of an upstream until a time, what has waited longest first. */
  async claim(source: Source, now: number, until: number, limit: number): Promise<readonly DueLook[]> {
    const { rows } = await callDatabase(() =>
      this.knex.raw<{ rows: readonly LookRow[] }>(
        `update signature_look set next_at = :until
         where (organization, upstream, repository, digest) in (
           select organization, upstream, repository, digest from signature_look
           where organization = :organization and upstream = :upstream and pending and next_at <= :now
           order by next_at limit :limit for update skip locked)
         returning organization, upstream, repository, digest, misses, attempts, absent_at`,
        { ...source, now: new Date(now), until: new Date(until), limit },
      ),
    );
    return rows.map(toDue);
  }

  /** A look has come to its end. */
  async done(
    { repository, digest }: DueLook,
    { at, absentAt, misses }: NextLook & { readonly misses: number },
  ): Promise<void> {
    await this.#of(repository, digest).update({
      pending: false,
      next_at: new Date(at),
      absent_at: new Date(absentAt),
      misses,
      attempts: 0,
    });
  }

  /** A look failed, and is tried again later. */
  async putOff({ repository, digest }: DueLook, nextAt: number, attempts: number): Promise<void> {
    await this.#of(repository, digest).update({ next_at: new Date(nextAt), attempts });
  }

  /** Nothing of an upstream is looked for any more. */
  async forget({ organization, upstream }: Source): Promise<void> {
    await this.knex('signature_look').where({ organization, upstream, pending: true }).delete();
  }

  /** Removes a batch of rows of images that nobody has pulled since long before a time; resolves to how many. */
  async removeBefore(before: number, limit: number): Promise<number> {
    const result = await this.knex.raw<{ rowCount: number }>(
      'delete from signature_look where ctid in (select ctid from signature_look where next_at < ? limit ?)',
      [new Date(before), limit],
    );
    return result.rowCount;
  }

  #of(repository: ProxiedRepository, digest: Digest) {
    return this.knex('signature_look').where({ ...columns(repository), digest });
  }
}

function columns({ organization, upstream, name }: ProxiedRepository) {
  return { organization, upstream, repository: name };
}

function toDue(row: LookRow): DueLook {
  return {
    repository: {
      organization: row.organization as OrganizationName,
      upstream: row.upstream,
      name: row.repository as RepositoryName,
    },
    digest: row.digest as Digest,
    misses: row.misses,
    attempts: row.attempts,
    absentAt: row.absent_at.getTime(),
  };
}
