import { type ContentUsage, callDatabase, type LinkKey, type OrganizationName } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import { linkColumns } from './link-sql.js';
import { selectRows } from './sql.js';

/** How much is stored, in Postgres. Every method throws RegistryError UNAVAILABLE (detail.reason "database") without it. */
export class PostgresContentUsage implements ContentUsage {
  readonly #database: Knex;

  constructor(options: { readonly database: Knex }) {
    this.#database = options.database;
  }

  async blobs(): Promise<number> {
    return this.#number(`SELECT count(*) AS number FROM blob WHERE state = 'live'`, {});
  }

  async bytesOf(of: { readonly organization: OrganizationName; readonly upstream: string }): Promise<number> {
    return this.#number(
      `WITH linked AS (
         SELECT DISTINCT kind, digest FROM content_link WHERE organization = :organization AND upstream = :upstream)
       SELECT coalesce((SELECT sum(m.size) FROM linked l JOIN manifest m ON l.kind = 'manifest' AND m.digest = l.digest), 0)
            + coalesce((SELECT sum(b.size) FROM linked l
                          JOIN blob b ON l.kind = 'blob' AND b.digest = l.digest AND b.state = 'live'), 0) AS number`,
      { organization: of.organization, upstream: of.upstream },
    );
  }

  async imageBytes(manifests: readonly Pick<LinkKey, 'repository' | 'digest'>[]): Promise<readonly number[]> {
    if (manifests.length === 0) return [];
    const rows = await callDatabase(
      () =>
        selectRows<{ readonly bytes: string }>(
          this.#database,
          `WITH RECURSIVE kept AS (
             SELECT asked.position, asked.organization, asked.upstream, asked.repository,
                    CAST('manifest' AS text) COLLATE "C" AS kind, asked.digest COLLATE "C" AS digest
               FROM unnest(CAST(:organizations AS text[]), CAST(:upstreams AS text[]), CAST(:repositories AS text[]),
                           CAST(:digests AS text[]))
                      WITH ORDINALITY AS asked (organization, upstream, repository, digest, position)
             UNION
             SELECT k.position, k.organization, k.upstream, k.repository, r.kind, r.referenced_digest
               FROM kept k JOIN manifest_reference r ON k.kind = 'manifest' AND r.digest = k.digest)
           SELECT k.position, sum(coalesce(m.size, 0) + coalesce(b.size, 0)) AS bytes
             FROM kept k
             LEFT JOIN content_link l ON l.organization = k.organization AND l.upstream = k.upstream
                   AND l.repository = k.repository AND l.kind = k.kind AND l.digest = k.digest
             LEFT JOIN manifest m ON l.kind = 'manifest' AND m.digest = l.digest
             LEFT JOIN blob b ON l.kind = 'blob' AND b.digest = l.digest AND b.state = 'live'
            GROUP BY k.position ORDER BY k.position`,
          linkColumns(manifests),
        ),
      { idempotent: true },
    );
    return rows.map(({ bytes }) => Number(bytes));
  }

  async #number(sql: string, bindings: Readonly<Record<string, string>>): Promise<number> {
    const [row] = await callDatabase(() => selectRows<{ readonly number: string }>(this.#database, sql, bindings), {
      idempotent: true,
    });
    return Number(row?.number ?? 0);
  }
}
