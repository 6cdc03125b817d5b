import {
  callDatabase,
  type Digest,
  type LinkKey,
  type OrganizationName,
  type RepositoryName,
  type SweepCandidatePage,
  type SweepCandidateQuery,
  type SweepCandidates,
  type SweepQueue,
} from '@breakwater/registry-core';
import type { Knex } from 'knex';
import { linkColumns } from './link-sql.js';
import { selectRows } from './sql.js';

interface CandidateRow {
  readonly id: string;
  readonly organization: OrganizationName;
  readonly upstream: string;
  readonly repository: RepositoryName;
  readonly kind: 'manifest' | 'blob';
  readonly digest: Digest;
  readonly not_before: string;
}

/**
 * The queue of links to look at, in Postgres. Triggers on links and hosted tags write to it too.
 * Every method throws RegistryError UNAVAILABLE (detail.reason "database") without the database.
 */
export class PostgresSweepCandidates implements SweepCandidates, SweepQueue {
  readonly #database: Knex;

  constructor(options: { readonly database: Knex }) {
    this.#database = options.database;
  }

  async candidates(query: SweepCandidateQuery): Promise<SweepCandidatePage> {
    const { usedBefore, organization, limit } = query;
    const [notBefore = '-1', id = '0'] = query.cursor?.split(' ') ?? [];
    const rows = await callDatabase(
      () =>
        selectRows<CandidateRow>(
          this.#database,
          `SELECT * FROM sweep_candidate
            WHERE not_before < :usedBefore AND (not_before, id) > (CAST(:notBefore AS bigint), CAST(:id AS bigint))
              ${organization === undefined ? '' : 'AND organization = :organization'}
            ORDER BY not_before, id LIMIT :limit`,
          { usedBefore, notBefore, id, limit, ...(organization === undefined ? {} : { organization }) },
        ),
      { idempotent: true },
    );
    const last = rows.length < limit ? undefined : rows.at(-1);
    return {
      candidates: rows.map((row) => ({ id: row.id, ...toKey(row) })),
      next: last === undefined ? undefined : `${last.not_before} ${last.id}`,
    };
  }

  async consider(links: readonly LinkKey[]): Promise<void> {
    if (links.length === 0) return;
    await callDatabase(
      () =>
        selectRows(
          this.#database,
          `INSERT INTO sweep_candidate (organization, upstream, repository, digest, kind, not_before)
           SELECT *, 0 FROM unnest(CAST(:organizations AS text[]), CAST(:upstreams AS text[]),
                                   CAST(:repositories AS text[]), CAST(:digests AS text[]), CAST(:kinds AS text[]))`,
          { ...linkColumns(links), kinds: links.map(({ kind }) => kind) },
        ),
      { idempotent: true },
    );
  }

  async settle(looked: readonly { readonly id: string; readonly usedAt?: number | undefined }[]): Promise<void> {
    const done = looked.filter(({ usedAt }) => usedAt === undefined).map(({ id }) => id);
    const leased = looked.filter(({ usedAt }) => usedAt !== undefined);
    await callDatabase(
      async () => {
        if (done.length > 0) {
          await selectRows(this.#database, 'DELETE FROM sweep_candidate WHERE id = ANY (CAST(:done AS bigint[]))', {
            done,
          });
        }
        if (leased.length === 0) return;
        await selectRows(
          this.#database,
          `UPDATE sweep_candidate c SET not_before = later.used_at
             FROM unnest(CAST(:ids AS bigint[]), CAST(:usedAts AS bigint[])) AS later (id, used_at)
            WHERE c.id = later.id`,
          { ids: leased.map(({ id }) => id), usedAts: leased.map(({ usedAt }) => usedAt ?? 0) },
        );
      },
      { idempotent: true },
    );
  }
}

function toKey(row: CandidateRow): LinkKey {
  return {
    repository: {
      organization: row.organization,
      name: row.repository,
      ...(row.upstream === '' ? {} : { upstream: row.upstream }),
    },
    kind: row.kind,
    digest: row.digest,
  };
}
