import type { Digest, OrganizationName, RepositoryName } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { ProxiedRepository } from '../ports.js';

/** Content that is pulled by digest, as Kubernetes does, and that no tag may lead to. Times are ms since the epoch. */
export interface DigestUse {
  readonly repository: ProxiedRepository;
  readonly digest: Digest;
  /** When it was fetched from the upstream. */
  readonly confirmedAt: number;
  readonly lastUsedAt: number;
}

interface DigestUseRow {
  readonly organization: string;
  readonly upstream: string;
  readonly repository: string;
  readonly digest: string;
  readonly confirmed_at: Date;
  readonly last_used_at: Date;
}

/** The rows of digest uses, one function per statement. */
export class DigestUseTable {
  constructor(private readonly knex: Knex) {}

  /** Writes uses down; the first one of a digest counts as its confirmation too. */
  async note(
    uses: readonly { readonly repository: ProxiedRepository; readonly digest: Digest; readonly at: number }[],
  ): Promise<void> {
    if (uses.length === 0) return;
    const rows = uses.map(({ repository, digest, at }) => ({
      ...columns(repository, digest),
      at: new Date(at).toISOString(),
    }));
    await this.knex.raw(
      `insert into digest_use (organization, upstream, repository, digest, confirmed_at, last_used_at)
       select organization, upstream, repository, digest, at, at from jsonb_to_recordset(?::jsonb)
         as u(organization text, upstream text, repository text, digest text, at timestamptz)
       on conflict (organization, upstream, repository, digest)
         do update set last_used_at = greatest(digest_use.last_used_at, excluded.last_used_at)`,
      [JSON.stringify(rows)],
    );
  }

  /** Rows after a key in primary key order. */
  async page(
    after: Pick<DigestUse, 'repository' | 'digest'> | undefined,
    limit: number,
  ): Promise<readonly DigestUse[]> {
    const query = this.knex<DigestUseRow>('digest_use')
      .orderBy(['organization', 'upstream', 'repository', 'digest'])
      .limit(limit);
    if (after !== undefined) {
      const { organization, upstream, repository, digest } = columns(after.repository, after.digest);
      query.whereRaw('(organization, upstream, repository, digest) > (?, ?, ?, ?)', [
        organization,
        upstream,
        repository,
        digest,
      ]);
    }
    return (await query).map(toDigestUse);
  }

  /** Removes a row that is still exactly as it was read. */
  async remove(use: DigestUse): Promise<boolean> {
    const removed = await this.knex('digest_use')
      .where({
        ...columns(use.repository, use.digest),
        confirmed_at: new Date(use.confirmedAt),
        last_used_at: new Date(use.lastUsedAt),
      })
      .delete();
    return removed > 0;
  }
}

function columns(repository: ProxiedRepository, digest: Digest) {
  return {
    organization: repository.organization,
    upstream: repository.upstream,
    repository: repository.name,
    digest,
  };
}

function toDigestUse(row: DigestUseRow): DigestUse {
  return {
    repository: {
      organization: row.organization as OrganizationName,
      upstream: row.upstream,
      name: row.repository as RepositoryName,
    },
    digest: row.digest as Digest,
    confirmedAt: row.confirmed_at.getTime(),
    lastUsedAt: row.last_used_at.getTime(),
  };
}
