import {
  callDatabase,
  type Digest,
  type Repository,
  type Tag,
  type TagPage,
  type TagStore,
} from '@breakwater/registry-core';
import type { Knex } from 'knex';
import { repositoryColumns, selectRows } from './sql.js';

/** Tags of hosted repositories in Postgres. */
export class PostgresTagStore implements TagStore {
  readonly #database: Knex;

  constructor(options: { readonly database: Knex }) {
    this.#database = options.database;
  }

  /** @throws RegistryError UNAVAILABLE (detail.reason "database") */
  async resolve(repository: Repository, tag: Tag): Promise<Digest | undefined> {
    if (repository.upstream !== undefined) return undefined;
    const [row] = await callDatabase(
      () =>
        selectRows<{ digest: Digest }>(
          this.#database,
          `SELECT digest FROM hosted_tag
            WHERE organization = :organization AND repository = :repository AND tag = :tag`,
          { ...repositoryColumns(repository), tag },
        ),
      { idempotent: true },
    );
    return row?.digest;
  }

  /** @throws RegistryError UNAVAILABLE (detail.reason "database") */
  async list(
    repository: Repository,
    page: { readonly last: string | undefined; readonly limit: number },
  ): Promise<TagPage | undefined> {
    if (repository.upstream !== undefined) return undefined;
    const columns = repositoryColumns(repository);
    // `last` is what a client sent. Postgres text cannot hold NUL; cut there, it comes after exactly the same tags.
    const last = (page.last ?? '').split('\0', 1)[0] ?? '';
    return callDatabase(
      async () => {
        const rows = await selectRows<{ tag: Tag }>(
          this.#database,
          `SELECT tag FROM hosted_tag
            WHERE organization = :organization AND repository = :repository AND tag > :last
            ORDER BY tag LIMIT :limit`,
          { ...columns, last, limit: page.limit + 1 },
        );
        if (rows.length === 0 && !(await this.#exists(columns))) return undefined;
        return { tags: rows.slice(0, page.limit).map((row) => row.tag), more: rows.length > page.limit };
      },
      { idempotent: true },
    );
  }

  /**
   * Makes a tag point at a manifest of the repository; false when the repository has no such manifest.
   *
   * @throws RegistryError UNAVAILABLE (detail.reason "database")
   */
  async point(repository: Repository, tag: Tag, digest: Digest): Promise<boolean> {
    const bindings = { ...repositoryColumns(repository), tag, digest };
    return callDatabase(
      () =>
        this.#database.transaction(async (transaction) => {
          const links = await selectRows(
            transaction,
            `SELECT digest FROM content_link
              WHERE organization = :organization AND upstream = '' AND repository = :repository
                AND kind = 'manifest' AND digest = :digest
                FOR KEY SHARE`,
            bindings,
          );
          if (links.length === 0) return false;
          await selectRows(
            transaction,
            `INSERT INTO hosted_tag (organization, repository, tag, digest)
             VALUES (:organization, :repository, :tag, :digest)
             ON CONFLICT (organization, repository, tag) DO UPDATE SET digest = excluded.digest`,
            bindings,
          );
          return true;
        }),
      { idempotent: true },
    );
  }

  /** A repository is there once something is linked to it. */
  async #exists(columns: { readonly organization: string; readonly repository: string }): Promise<boolean> {
    const rows = await selectRows(
      this.#database,
      `SELECT digest FROM content_link
        WHERE organization = :organization AND upstream = '' AND repository = :repository LIMIT 1`,
      { organization: columns.organization, repository: columns.repository },
    );
    return rows.length > 0;
  }
}
