import {
  callDatabase,
  type Digest,
  type Repository,
  type Tag,
  type TagPage,
  type TagStore,
} from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { WriteCondition } from '../hosted/write-condition.js';
import { repositoryColumns, selectRows } from './sql.js';

const THE_TAG = `organization = :organization AND repository = :repository AND tag = :tag
  AND (CAST(:from AS text[]) IS NULL OR digest = ANY(CAST(:from AS text[])))`;
const MOVED_TAG = `UPDATE hosted_tag SET digest = :digest WHERE ${THE_TAG} RETURNING tag`;
const NO_TAG = `DELETE FROM hosted_tag WHERE ${THE_TAG} RETURNING tag`;
const NEW_TAG = `INSERT INTO hosted_tag (organization, repository, tag, digest)
  VALUES (:organization, :repository, :tag, :digest) ON CONFLICT DO NOTHING RETURNING tag`;

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
          if (!(await holdManifest(transaction, bindings))) return false;
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

  /**
   * As `TagPointing` has it. Not repeated after a lost connection: the second try would find what the first one wrote.
   *
   * @throws RegistryError UNAVAILABLE (detail.reason "database")
   */
  async move(
    repository: Repository,
    tag: Tag,
    condition: WriteCondition,
    to: Digest | undefined,
  ): Promise<'moved' | 'no manifest' | 'changed'> {
    const from = typeof condition === 'string' ? null : [...condition];
    const bindings = { ...repositoryColumns(repository), tag, digest: to ?? '', from };
    return callDatabase(() =>
      this.#database.transaction(async (transaction) => {
        if (to !== undefined && !(await holdManifest(transaction, bindings))) return 'no manifest';
        const moved = await selectRows(
          transaction,
          condition === 'nothing' ? NEW_TAG : to === undefined ? NO_TAG : MOVED_TAG,
          bindings,
        );
        return moved.length > 0 ? 'moved' : 'changed';
      }),
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

/** Keeps a manifest in its repository until the transaction ends; false when it is not there. */
async function holdManifest(
  transaction: Knex.Transaction,
  bindings: Parameters<typeof selectRows>[2],
): Promise<boolean> {
  const links = await selectRows(
    transaction,
    `SELECT digest FROM content_link
      WHERE organization = :organization AND upstream = '' AND repository = :repository
        AND kind = 'manifest' AND digest = :digest
        FOR KEY SHARE`,
    bindings,
  );
  return links.length > 0;
}
