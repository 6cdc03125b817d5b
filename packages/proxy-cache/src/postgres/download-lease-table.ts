import type { Digest } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { ProxiedRepository } from '../ports.js';

/** What is downloaded, and into which spool. */
export interface DownloadKey {
  readonly spool: string;
  readonly repository: ProxiedRepository;
  readonly digest: Digest;
}

/** Who downloads something, as the cluster knows it. Times are ms since the epoch. */
export interface LeaseRecord {
  readonly holder: string;
  readonly expiresAt: number;
  /** Of the whole blob in bytes, once the upstream has said it. */
  readonly size: number | undefined;
  /** What it failed with; whoever followed it fails with the same. */
  readonly failure: unknown;
}

interface LeaseRow {
  readonly holder: string;
  readonly expires_at: Date;
  readonly size: string | null;
  readonly failure: unknown;
}

/** The rows of leases of downloads, one function per statement. */
export class DownloadLeaseTable {
  constructor(private readonly knex: Knex) {}

  /** Takes the lease until then, unless somebody has it at `now` who is not `ended`. */
  async claim(key: DownloadKey, holder: string, now: number, until: number, ended?: string): Promise<boolean> {
    const columns = { holder, expires_at: new Date(until), size: null, failure: null };
    const claimed = await this.knex('download_lease')
      .insert({ ...toColumns(key), ...columns })
      .onConflict(KEY)
      .merge(columns)
      .where((free) => {
        free.where('download_lease.expires_at', '<=', new Date(now));
        if (ended !== undefined) free.orWhere('download_lease.holder', ended);
      })
      .returning('holder');
    return claimed.length > 0;
  }

  async find(key: DownloadKey): Promise<LeaseRecord | undefined> {
    const row = await this.knex<LeaseRow>('download_lease').where(toColumns(key)).first();
    return row && toRecord(row);
  }

  /** False when somebody else has it. One that is forgotten, nobody having taken it over, is made anew. */
  async renew(key: DownloadKey, holder: string, until: number): Promise<boolean> {
    const columns = { holder, expires_at: new Date(until) };
    const renewed = await this.knex('download_lease')
      .insert({ ...toColumns(key), ...columns })
      .onConflict(KEY)
      .merge(columns)
      .where('download_lease.holder', holder)
      .returning('holder');
    return renewed.length > 0;
  }

  async setSize(key: DownloadKey, holder: string, size: number): Promise<void> {
    await this.#held(key, holder).update({ size });
  }

  /** Ends the lease with a failure, which stays to be read. */
  async fail(key: DownloadKey, holder: string, failure: object, now: number): Promise<void> {
    await this.#held(key, holder).update({ failure: JSON.stringify(failure), expires_at: new Date(now) });
  }

  async release(key: DownloadKey, holder: string): Promise<void> {
    await this.#held(key, holder).delete();
  }

  /** Those who download into a spool now. */
  async holders(spool: string, now: number): Promise<ReadonlySet<string>> {
    const rows = await this.knex<LeaseRow & { readonly spool: string }>('download_lease')
      .where({ spool })
      .where('expires_at', '>', new Date(now))
      .select('holder');
    return new Set(rows.map(({ holder }) => holder));
  }

  /** Forgets the leases that ended before then. */
  async forget(before: number): Promise<void> {
    await this.knex('download_lease').where('expires_at', '<', new Date(before)).delete();
  }

  #held(key: DownloadKey, holder: string) {
    return this.knex('download_lease').where({ ...toColumns(key), holder });
  }
}

const KEY = ['spool', 'organization', 'upstream', 'repository', 'digest'];

function toColumns({ spool, repository, digest }: DownloadKey) {
  const { organization, upstream, name } = repository;
  return { spool, organization, upstream, repository: name, digest };
}

function toRecord(row: LeaseRow): LeaseRecord {
  return {
    holder: row.holder,
    expiresAt: row.expires_at.getTime(),
    size: row.size === null ? undefined : Number(row.size),
    failure: row.failure ?? undefined,
  };
}
