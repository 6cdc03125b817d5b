import {
  type Clock,
  callDatabase,
  type Digest,
  type ManifestMediaType,
  type OrganizationName,
  type Repository,
  type RepositoryName,
  type Tag,
} from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type {
  BlobMounts,
  ContentRemoval,
  Referrer,
  ReferrerLists,
  RepositoryContent,
} from '../hosted/hosted-content.js';
import type { BlobLinks } from '../storage/ports.js';
import { repositoryColumns, selectRows } from './sql.js';

interface ReferrerRow {
  readonly digest: Digest;
  readonly media_type: ManifestMediaType;
  readonly size: string;
  readonly artifact_type: string | null;
  readonly annotations: string | null;
}

/**
 * What writers of hosted repositories need of Postgres beside the stores. Every method throws RegistryError UNAVAILABLE
 * (detail.reason "database") without it.
 *
 * Lock order as in PostgresManifestStore: the content row, then links.
 */
export class PostgresHostedContent implements ContentRemoval, BlobMounts, RepositoryContent, ReferrerLists {
  readonly #database: Knex;
  readonly #links: Pick<BlobLinks, 'linked' | 'link'>;
  readonly #clock: Clock;

  constructor(options: {
    readonly database: Knex;
    readonly links: Pick<BlobLinks, 'linked' | 'link'>;
    readonly clock: Clock;
  }) {
    this.#database = options.database;
    this.#links = options.links;
    this.#clock = options.clock;
  }

  async removeTag(repository: Repository, tag: Tag): Promise<boolean> {
    // Not repeated, nor are the other removals: the second try could not tell that the first one removed it.
    const rows = await callDatabase(() =>
      selectRows(
        this.#database,
        `DELETE FROM hosted_tag
          WHERE organization = :organization AND repository = :repository AND tag = :tag RETURNING tag`,
        { ...repositoryColumns(repository), tag },
      ),
    );
    return rows.length > 0;
  }

  removeManifest(repository: Repository, digest: Digest): Promise<boolean> {
    return this.#unlink(repository, 'manifest', digest);
  }

  removeBlob(repository: Repository, digest: Digest): Promise<boolean> {
    return this.#unlink(repository, 'blob', digest);
  }

  async mount(repository: Repository, from: Repository, digest: Digest): Promise<boolean> {
    const blob = await this.#links.linked(from, digest);
    // Damaged content is sent again and not spread.
    return blob !== undefined && blob.damage === undefined && (await this.#links.link(repository, blob));
  }

  async holders(organization: OrganizationName, digest: Digest, limit: number): Promise<readonly RepositoryName[]> {
    const rows = await this.#read<{ repository: RepositoryName }>(
      `SELECT repository FROM content_link
        WHERE organization = :organization AND upstream = '' AND kind = 'blob' AND digest = :digest
        ORDER BY repository LIMIT :limit`,
      { organization, digest, limit },
    );
    return rows.map((row) => row.repository);
  }

  async missing(
    repository: Repository,
    kind: 'manifest' | 'blob',
    digests: readonly Digest[],
  ): Promise<readonly Digest[]> {
    if (digests.length === 0) return [];
    const rows = await this.#read<{ digest: Digest }>(
      `SELECT DISTINCT asked.digest FROM unnest(CAST(:digests AS text[])) AS asked (digest)
        WHERE NOT EXISTS (
          SELECT FROM content_link l
           WHERE l.organization = :organization AND l.upstream = :upstream AND l.repository = :repository
             AND l.kind = :kind AND l.digest = asked.digest)
        ORDER BY asked.digest`,
      { ...repositoryColumns(repository), kind, digests: [...digests] },
    );
    return rows.map((row) => row.digest);
  }

  async referrers(
    repository: Repository,
    subject: Digest,
    page: { readonly artifactType: string | undefined; readonly last: string | undefined; readonly limit: number },
  ): Promise<{ readonly referrers: readonly Referrer[]; readonly more: boolean }> {
    // What a client sent as a type may hold a NUL, which Postgres text cannot; nothing has such a type.
    if (page.artifactType?.includes('\0') === true) return { referrers: [], more: false };
    const rows = await this.#read<ReferrerRow>(
      `SELECT s.digest, l.media_type, m.size, s.artifact_type, s.annotations
         FROM manifest_subject s
         JOIN manifest m ON m.digest = s.digest
         JOIN content_link l ON l.kind = 'manifest' AND l.digest = s.digest
        WHERE s.subject = :subject AND s.digest > :last
          AND l.organization = :organization AND l.upstream = :upstream AND l.repository = :repository
          AND (CAST(:artifactType AS text) IS NULL OR s.artifact_type = CAST(:artifactType AS text))
        ORDER BY s.digest LIMIT :limit`,
      {
        ...repositoryColumns(repository),
        subject,
        last: (page.last ?? '').split('\0', 1)[0] ?? '',
        artifactType: page.artifactType ?? null,
        limit: page.limit + 1,
      },
    );
    return { referrers: rows.slice(0, page.limit).map(toReferrer), more: rows.length > page.limit };
  }

  async #unlink(repository: Repository, kind: 'manifest' | 'blob', digest: Digest): Promise<boolean> {
    const bindings = { ...repositoryColumns(repository), kind, digest, at: this.#clock.now() };
    return callDatabase(() => this.#database.transaction((transaction) => unlink(transaction, kind, bindings)));
  }

  #read<Row>(sql: string, bindings: Readonly<Record<string, Knex.RawBinding>>): Promise<readonly Row[]> {
    return callDatabase(() => selectRows<Row>(this.#database, sql, bindings), { idempotent: true });
  }
}

/** Statements of their own, as in the sweep: each sees what was committed while the one before it waited. */
async function unlink(
  transaction: Knex.Transaction,
  kind: 'manifest' | 'blob',
  bindings: Readonly<Record<string, Knex.RawBinding>>,
): Promise<boolean> {
  await selectRows(transaction, `SELECT digest FROM ${kind} WHERE digest = :digest FOR NO KEY UPDATE`, bindings);
  const removed = await selectRows(
    transaction,
    `DELETE FROM content_link
      WHERE organization = :organization AND upstream = :upstream AND repository = :repository
        AND kind = :kind AND digest = :digest RETURNING digest`,
    bindings,
  );
  if (removed.length === 0) return false;
  if (kind === 'manifest') {
    // A tag that was pointed at it in between held the link, so it is seen by now.
    await selectRows(
      transaction,
      `DELETE FROM hosted_tag
        WHERE organization = :organization AND repository = :repository AND digest = :digest`,
      bindings,
    );
  }
  await selectRows(
    transaction,
    `UPDATE ${kind} SET unlinked_since = :at
      WHERE digest = :digest
        AND NOT EXISTS (SELECT FROM content_link l WHERE l.kind = :kind AND l.digest = :digest)`,
    bindings,
  );
  return true;
}

function toReferrer(row: ReferrerRow): Referrer {
  return {
    digest: row.digest,
    mediaType: row.media_type,
    size: Number(row.size),
    artifactType: row.artifact_type ?? undefined,
    annotations: row.annotations === null ? undefined : (JSON.parse(row.annotations) as Record<string, string>),
  };
}
