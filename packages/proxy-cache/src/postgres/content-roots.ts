import type { Digest } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { ProxiedRepository } from '../ports.js';

/** What keeps manifests from being collected: the cached tags and the uses by digest that point to them. */
export class ContentRoots {
  constructor(private readonly knex: Knex) {}

  /** Whether a tag or a use points to each of these manifests, in the order they were asked for. */
  async pointTo(
    manifests: readonly { readonly repository: ProxiedRepository; readonly digest: Digest }[],
  ): Promise<readonly boolean[]> {
    const rows = manifests.map(({ repository, digest }, index) => ({
      organization: repository.organization,
      upstream: repository.upstream,
      repository: repository.name,
      digest,
      index,
    }));
    const { rows: needed } = await this.knex.raw<{ rows: { index: number }[] }>(
      `select w.index from jsonb_to_recordset(?::jsonb)
         as w(organization text, upstream text, repository text, digest text, index int)
       where exists (select 1 from cached_tag t where t.organization = w.organization and t.upstream = w.upstream
                       and t.repository = w.repository and t.digest = w.digest)
          or exists (select 1 from cached_tag t where t.organization = w.organization and t.upstream = w.upstream
                       and t.repository = w.repository and t.previous_digest = w.digest)
          or exists (select 1 from digest_use d where d.organization = w.organization and d.upstream = w.upstream
                       and d.repository = w.repository and d.digest = w.digest)`,
      [JSON.stringify(rows)],
    );
    const indexes = new Set(needed.map(({ index }) => index));
    return manifests.map((_manifest, index) => indexes.has(index));
  }
}
