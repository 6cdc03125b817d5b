import type { StoredContent } from '@breakwater/gc';
import {
  callDatabase,
  type Digest,
  type LinkKey,
  type OrganizationName,
  type Repository,
  type RepositoryName,
} from '@breakwater/registry-core';
import type { Knex } from 'knex';
import { selectRows } from './sql.js';

interface LinkRow {
  readonly organization: OrganizationName;
  readonly upstream: string;
  readonly repository: RepositoryName;
  readonly kind: LinkKey['kind'];
  /** How many there are in all. */
  readonly total: string;
}

/** Finds content by its digest, in Postgres. Throws RegistryError UNAVAILABLE (detail.reason "database") without it. */
export class PostgresStoredContent implements StoredContent {
  readonly #database: Knex;

  constructor(options: { readonly database: Knex }) {
    this.#database = options.database;
  }

  async find(
    digest: Digest,
    within: Pick<Repository, 'organization' | 'name'> | undefined,
    most: number,
  ): ReturnType<StoredContent['find']> {
    const [stored, links] = await callDatabase(
      () => Promise.all([this.#stored(digest), this.#links(digest, within, most)]),
      { idempotent: true },
    );
    return {
      stored: stored.map(({ kind, size, links: count }) => ({ kind, size: Number(size), links: Number(count) })),
      links: links.map((row) => toLink(row, digest)),
      linksTotal: Number(links[0]?.total ?? 0),
    };
  }

  #stored(digest: Digest) {
    return selectRows<{ readonly kind: LinkKey['kind']; readonly size: string; readonly links: string }>(
      this.#database,
      `SELECT c.kind, c.size,
              (SELECT count(*) FROM content_link l WHERE l.digest = :digest AND l.kind = c.kind) AS links
         FROM (SELECT CAST('manifest' AS text) AS kind, size FROM manifest WHERE digest = :digest
               UNION ALL
               SELECT 'blob', size FROM blob WHERE digest = :digest AND state = 'live') c
        ORDER BY c.kind DESC`,
      { digest },
    );
  }

  #links(digest: Digest, within: Pick<Repository, 'organization' | 'name'> | undefined, most: number) {
    return selectRows<LinkRow>(
      this.#database,
      `SELECT organization, upstream, repository, kind, count(*) OVER () AS total FROM content_link
        WHERE digest = :digest
          ${within === undefined ? '' : 'AND organization = :organization AND repository = :repository'}
        ORDER BY organization, upstream, repository, kind LIMIT :most`,
      {
        digest,
        most,
        ...(within === undefined ? {} : { organization: within.organization, repository: within.name }),
      },
    );
  }
}

function toLink({ organization, upstream, repository: name, kind }: LinkRow, digest: Digest): LinkKey {
  return { repository: { organization, name, ...(upstream === '' ? {} : { upstream }) }, kind, digest };
}
