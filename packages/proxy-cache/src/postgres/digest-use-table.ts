import type { Digest } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { ProxiedRepository } from '../ports.js';

/** Content that is pulled by digest, as Kubernetes does, and that no tag may lead to. */
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
}

function columns(repository: ProxiedRepository, digest: Digest) {
  return {
    organization: repository.organization,
    upstream: repository.upstream,
    repository: repository.name,
    digest,
  };
}
