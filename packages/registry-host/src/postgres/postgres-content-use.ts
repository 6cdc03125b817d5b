import { type ContentUse, callDatabase, type Digest, type Repository, repositoryKey } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import { repositoryColumns, selectRows } from './sql.js';

/** Uses that are noted in one statement. */
const BATCH = 500;

/** Notes in Postgres that manifests were pulled. What they refer to is kept by the sweep as long as they are linked. */
export class PostgresContentUse implements ContentUse {
  readonly #database: Knex;

  constructor(options: { readonly database: Knex }) {
    this.#database = options.database;
  }

  /** @throws RegistryError UNAVAILABLE (detail.reason "database") */
  async touch(
    uses: readonly { readonly repository: Repository; readonly digest: Digest }[],
    at: number,
  ): Promise<readonly boolean[]> {
    const distinct = [...new Map(uses.map((use) => [useKey(use), use])).values()];
    const linked = new Set<string>();
    for (let start = 0; start < distinct.length; start += BATCH) {
      for (const key of await this.#touchBatch(distinct.slice(start, start + BATCH), at)) linked.add(key);
    }
    return uses.map((use) => linked.has(useKey(use)));
  }

  async #touchBatch(
    uses: readonly { readonly repository: Repository; readonly digest: Digest }[],
    at: number,
  ): Promise<readonly string[]> {
    const columns = uses.map((use) => repositoryColumns(use.repository));
    // The rows are locked in one order, so that two touches wait for each other and never around each other. Always
    // later than before, whatever the clocks of two processes say: a removal that was planned sees that it moved.
    const rows = await callDatabase(
      () =>
        selectRows<{ readonly position: string }>(
          this.#database,
          `WITH used AS (
             SELECT * FROM unnest(CAST(:organizations AS text[]), CAST(:upstreams AS text[]),
                                  CAST(:repositories AS text[]), CAST(:digests AS text[]))
               WITH ORDINALITY AS u (organization, upstream, repository, digest, position)),
           locked AS (
             SELECT l.organization, l.upstream, l.repository, l.digest, u.position
               FROM content_link l
               JOIN used u ON l.organization = u.organization AND l.upstream = u.upstream
                          AND l.repository = u.repository AND l.digest = u.digest
              WHERE l.kind = 'manifest'
              ORDER BY l.organization, l.upstream, l.repository, l.digest
                FOR NO KEY UPDATE OF l)
           UPDATE content_link l SET used_at = greatest(l.used_at + 1, CAST(:at AS bigint))
             FROM locked k
            WHERE l.kind = 'manifest' AND l.organization = k.organization AND l.upstream = k.upstream
              AND l.repository = k.repository AND l.digest = k.digest
           RETURNING k.position`,
          {
            organizations: columns.map((each) => each.organization),
            upstreams: columns.map((each) => each.upstream),
            repositories: columns.map((each) => each.repository),
            digests: uses.map((use) => use.digest),
            at,
          },
        ),
      { idempotent: true },
    );
    return rows.flatMap((row) => {
      const use = uses[Number(row.position) - 1];
      return use === undefined ? [] : [useKey(use)];
    });
  }
}

function useKey(use: { readonly repository: Repository; readonly digest: Digest }): string {
  return `${repositoryKey(use.repository)}\n${use.digest}`;
}
