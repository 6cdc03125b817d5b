import { callDatabase, type Digest, type OrganizationName, type RepositoryName } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import { selectRows } from './sql.js';

interface HeldManifest {
  readonly repository: RepositoryName;
  readonly digest: Digest;
}

/** Manifests of one upstream of an organization that nothing would hold any more, and what holds on in their repositories. */
interface FootprintQuestion {
  readonly organization: OrganizationName;
  readonly upstream: string;
  readonly going: readonly HeldManifest[];
  readonly staying: readonly HeldManifest[];
}

/** Works out what the store would free if some manifests were needed no more, by the links and references in Postgres. */
export class PostgresContentFootprint {
  readonly #database: Knex;

  constructor(options: { readonly database: Knex }) {
    this.#database = options.database;
  }

  /**
   * Bytes that would be freed, and bytes that something else needs as well: what stays in these repositories, or a link in
   * another one. Changes nothing.
   *
   * @throws RegistryError UNAVAILABLE
   */
  async freedBy(question: FootprintQuestion): Promise<{ readonly freed: number; readonly shared: number }> {
    const [row] = await callDatabase(
      () =>
        selectRows<{ freed: string; shared: string }>(this.#database, SQL, {
          organization: question.organization,
          upstream: question.upstream,
          going: JSON.stringify(question.going),
          staying: JSON.stringify(question.staying),
        }),
      { idempotent: true },
    );
    return { freed: Number(row?.freed ?? 0), shared: Number(row?.shared ?? 0) };
  }
}

/** Everything below a set of manifests, each repository by itself, as (repository, kind, digest). */
function below(name: string, roots: string): string {
  return `
    ${name}_manifest(repository, digest) AS (
      SELECT repository COLLATE "C", digest COLLATE "C"
      FROM jsonb_to_recordset(:${roots}::jsonb) AS r(repository text, digest text)
      UNION
      SELECT m.repository, f.referenced_digest FROM ${name}_manifest m
      JOIN manifest_reference f ON f.digest = m.digest AND f.kind = 'manifest'
    ),
    ${name}(repository, kind, digest) AS (
      SELECT repository, 'manifest', digest FROM ${name}_manifest
      UNION
      SELECT m.repository, 'blob', f.referenced_digest FROM ${name}_manifest m
      JOIN manifest_reference f ON f.digest = m.digest AND f.kind = 'blob'
    )`;
}

const SQL = `
  WITH RECURSIVE ${below('going', 'going')}, ${below('staying', 'staying')},
  unlinked AS (
    SELECT l.repository, l.kind, l.digest FROM going g
    JOIN content_link l ON l.organization = :organization AND l.upstream = :upstream
      AND l.repository = g.repository AND l.kind = g.kind AND l.digest = g.digest
    WHERE NOT EXISTS (SELECT 1 FROM staying s
                      WHERE s.repository = g.repository AND s.kind = g.kind AND s.digest = g.digest)
  ),
  content AS (
    SELECT DISTINCT g.kind, g.digest,
      EXISTS (SELECT 1 FROM unlinked u WHERE u.kind = g.kind AND u.digest = g.digest)
      AND NOT EXISTS (
        SELECT 1 FROM content_link l WHERE l.digest = g.digest AND l.kind = g.kind
          AND NOT (l.organization = :organization AND l.upstream = :upstream
            AND EXISTS (SELECT 1 FROM unlinked u
                        WHERE u.repository = l.repository AND u.kind = l.kind AND u.digest = l.digest))
      ) AS goes
    FROM going g
  ),
  sized AS (
    SELECT c.goes, coalesce(m.size, b.size, 0) AS size FROM content c
    LEFT JOIN manifest m ON c.kind = 'manifest' AND m.digest = c.digest
    LEFT JOIN blob b ON c.kind = 'blob' AND b.digest = c.digest AND b.state = 'live'
  )
  SELECT coalesce(sum(size) FILTER (WHERE goes), 0) AS freed, coalesce(sum(size) FILTER (WHERE NOT goes), 0) AS shared
  FROM sized`;
