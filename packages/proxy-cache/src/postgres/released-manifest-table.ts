import type { Digest, OrganizationName, RepositoryName } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { ProxiedRepository } from '../ports.js';

/** Word that a cached tag or a use by digest has left a manifest. */
export interface ReleasedManifest {
  /** Of the word: there may be several about one manifest. */
  readonly id: string;
  readonly repository: ProxiedRepository;
  readonly digest: Digest;
}

interface ReleasedRow {
  readonly id: string;
  readonly organization: OrganizationName;
  readonly upstream: string;
  readonly repository: RepositoryName;
  readonly digest: Digest;
}

/** The queue of manifests that a cached tag or a use by digest has left. Triggers on their tables fill it. */
export class ReleasedManifestTable {
  constructor(private readonly knex: Knex) {}

  /** The longest waiting ones, page by page. */
  async list(
    cursor: string | undefined,
    limit: number,
  ): Promise<{ readonly manifests: readonly ReleasedManifest[]; readonly next: string | undefined }> {
    const rows = await this.knex<ReleasedRow>('released_manifest')
      .where('id', '>', cursor ?? '0')
      .orderBy('id')
      .limit(limit);
    return {
      manifests: rows.map(({ id, organization, upstream, repository, digest }) => ({
        id,
        repository: { organization, upstream, name: repository },
        digest,
      })),
      next: rows.length < limit ? undefined : rows.at(-1)?.id,
    };
  }

  /** Takes out what somebody else has on record by now. */
  async forget(ids: readonly string[]): Promise<void> {
    if (ids.length > 0)
      await this.knex.raw('delete from released_manifest where id = any(cast(? as bigint[]))', [[...ids]]);
  }
}
