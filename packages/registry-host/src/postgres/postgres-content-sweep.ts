import {
  type Clock,
  type CollectionRun,
  type ContentLink,
  type ContentSweep,
  type Digest,
  type Logger,
  type OrganizationName,
  type RepositoryName,
  repositoryKey,
  type UnreachablePage,
} from '@breakwater/registry-core';
import type { Knex } from 'knex';
import { callDatabase } from './database-error.js';
import { linkColumns } from './link-sql.js';
import { selectRows } from './sql.js';

/** Links that are removed in one transaction. */
const BATCH = 100;

/**
 * True where a link `l` is needed: a hosted tag points at it, or a manifest of the same repository refers to it, or it
 * refers by its subject to a manifest that is there: a signature stays as long as what it signs.
 */
const NEEDED = `
  (l.kind = 'manifest' AND l.upstream = '' AND EXISTS (
     SELECT FROM hosted_tag t
      WHERE t.organization = l.organization AND t.repository = l.repository AND t.digest = l.digest))
  OR EXISTS (
     SELECT FROM manifest_reference r JOIN content_link p ON p.digest = r.digest
      WHERE r.kind = l.kind AND r.referenced_digest = l.digest
        AND p.kind = 'manifest' AND p.organization = l.organization AND p.upstream = l.upstream
        AND p.repository = l.repository)
  OR (l.kind = 'manifest' AND EXISTS (
     SELECT FROM manifest_subject s JOIN content_link p ON p.digest = s.subject
      WHERE s.digest = l.digest
        AND p.kind = 'manifest' AND p.organization = l.organization AND p.upstream = l.upstream
        AND p.repository = l.repository))`;

interface LinkRow {
  readonly organization: OrganizationName;
  readonly upstream: string;
  readonly repository: RepositoryName;
  readonly digest: Digest;
  readonly used_at: string;
}

/** The sweep of links in Postgres. Safe beside pulls, puts, imports and other sweeps, in this process and others. */
export class PostgresContentSweep implements ContentSweep {
  readonly #database: Knex;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(options: { readonly database: Knex; readonly clock: Clock; readonly logger: Logger }) {
    this.#database = options.database;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /**
   * Looks at `limit` links in the order of their last use, so a page may hold fewer, even none, before the end: the work
   * of one call is bounded however many links are needed.
   *
   * @throws RegistryError UNAVAILABLE (detail.reason "database")
   */
  async unreachable(
    usedBefore: number,
    kind: 'manifest' | 'blob',
    cursor: string | undefined,
    limit: number,
  ): Promise<UnreachablePage> {
    const after = cursor === undefined ? undefined : readCursor(cursor);
    const rows = await callDatabase(
      () =>
        selectRows<LinkRow & { readonly needed: boolean }>(
          this.#database,
          `SELECT l.organization, l.upstream, l.repository, l.digest, l.used_at, (${NEEDED}) AS needed
             FROM (SELECT * FROM content_link
                    WHERE kind = :kind AND used_at < :usedBefore
                      ${after === undefined ? '' : AFTER}
                    ORDER BY used_at, organization, upstream, repository, digest
                    LIMIT :limit) l
            ORDER BY l.used_at, l.organization, l.upstream, l.repository, l.digest`,
          { kind, usedBefore, limit, ...after },
        ),
      { idempotent: true },
    );
    const last = rows.length < limit ? undefined : rows.at(-1);
    return {
      links: rows.filter((row) => !row.needed).map((row) => toLink(row, kind)),
      next: last === undefined ? undefined : writeCursor(last),
    };
  }

  /** @throws RegistryError UNAVAILABLE (detail.reason "database"); the batches before it are removed */
  async remove(links: readonly ContentLink[], run: CollectionRun): Promise<readonly boolean[]> {
    const removed = new Set<string>();
    for (let at = 0; at < links.length; at += BATCH) {
      const batch = links.slice(at, at + BATCH);
      for (const kind of ['manifest', 'blob'] as const) {
        const ofKind = batch.filter((link) => link.kind === kind);
        for (const row of await this.#removeOfKind(ofKind, kind, run)) removed.add(linkKey(toLink(row, kind)));
      }
    }
    return links.map((link) => removed.has(linkKey(link)));
  }

  async #removeOfKind(
    links: readonly ContentLink[],
    kind: 'manifest' | 'blob',
    run: CollectionRun,
  ): Promise<readonly LinkRow[]> {
    if (links.length === 0) return [];
    const bindings = {
      ...linkColumns(links),
      kind,
      at: this.#clock.now(),
      usedAts: links.map((link) => link.usedAt),
    };
    const rows = await callDatabase(
      () => this.#database.transaction((transaction) => removeLinks(transaction, kind, bindings)),
      { idempotent: true },
    );
    for (const row of rows) {
      this.#logger.info(
        {
          run: run.id,
          kind,
          organization: row.organization,
          upstream: row.upstream,
          repository: row.repository,
          digest: row.digest,
        },
        'unlinked',
      );
    }
    return rows;
  }
}

const AFTER = `AND (used_at, organization, upstream, repository, digest)
  > (CAST(:afterUsedAt AS bigint), :afterOrganization, :afterUpstream, :afterRepository, :afterDigest)`;

/**
 * Every step is a statement of its own, because each sees what was committed before it began: a put or an import that
 * was there first is seen by the check, one that comes later waits for the row locks and then finds the link gone.
 *
 * The content rows are locked first, in order, and so two removals of the last two links cannot each leave the marking
 * to the other. Links in use by a put are skipped, never waited for (see PostgresManifestStore on the lock order).
 */
async function removeLinks(
  transaction: Knex.Transaction,
  kind: 'manifest' | 'blob',
  bindings: Readonly<Record<string, Knex.RawBinding>>,
): Promise<readonly LinkRow[]> {
  const content = kind === 'manifest' ? 'manifest' : 'blob';
  await selectRows(
    transaction,
    `SELECT digest FROM ${content} WHERE digest = ANY (CAST(:digests AS text[])) ORDER BY digest FOR NO KEY UPDATE`,
    bindings,
  );
  const locked = await selectRows<LinkRow>(
    transaction,
    `SELECT l.organization, l.upstream, l.repository, l.digest, l.used_at
       FROM content_link l
       JOIN unnest(CAST(:organizations AS text[]), CAST(:upstreams AS text[]), CAST(:repositories AS text[]),
                   CAST(:digests AS text[]), CAST(:usedAts AS bigint[]))
              AS listed (organization, upstream, repository, digest, used_at)
         ON l.organization = listed.organization AND l.upstream = listed.upstream
        AND l.repository = listed.repository AND l.digest = listed.digest AND l.used_at = listed.used_at
      WHERE l.kind = :kind
      ORDER BY l.organization, l.upstream, l.repository, l.digest
        FOR UPDATE OF l SKIP LOCKED`,
    bindings,
  );
  if (locked.length === 0) return [];
  const removed = await selectRows<LinkRow>(
    transaction,
    `DELETE FROM content_link l
      USING unnest(CAST(:organizations AS text[]), CAST(:upstreams AS text[]), CAST(:repositories AS text[]),
                   CAST(:digests AS text[])) AS locked (organization, upstream, repository, digest)
      WHERE l.kind = :kind AND l.organization = locked.organization AND l.upstream = locked.upstream
        AND l.repository = locked.repository AND l.digest = locked.digest
        AND NOT (${NEEDED})
      RETURNING l.organization, l.upstream, l.repository, l.digest, l.used_at`,
    {
      kind,
      organizations: locked.map((row) => row.organization),
      upstreams: locked.map((row) => row.upstream),
      repositories: locked.map((row) => row.repository),
      digests: locked.map((row) => row.digest),
    },
  );
  await selectRows(
    transaction,
    `UPDATE ${content} c SET unlinked_since = :at
      WHERE c.digest = ANY (CAST(:removed AS text[]))
        AND NOT EXISTS (SELECT FROM content_link l WHERE l.kind = :kind AND l.digest = c.digest)`,
    { kind, at: bindings['at'] ?? null, removed: removed.map((row) => row.digest) },
  );
  return removed;
}

function toLink(row: LinkRow, kind: 'manifest' | 'blob'): ContentLink {
  return {
    repository: {
      organization: row.organization,
      name: row.repository,
      ...(row.upstream === '' ? {} : { upstream: row.upstream }),
    },
    kind,
    digest: row.digest,
    usedAt: Number(row.used_at),
  };
}

function linkKey({ repository, kind, digest }: ContentLink): string {
  return `${repositoryKey(repository)}\n${kind}\n${digest}`;
}

function writeCursor(row: LinkRow): string {
  return Buffer.from(
    JSON.stringify([row.used_at, row.organization, row.upstream, row.repository, row.digest]),
  ).toString('base64url');
}

function readCursor(cursor: string): Readonly<Record<string, string>> {
  const fields: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  if (!Array.isArray(fields)) throw new TypeError('not a cursor of this sweep');
  const [afterUsedAt, afterOrganization, afterUpstream, afterRepository, afterDigest] = fields.map(String);
  if (
    afterUsedAt === undefined ||
    afterOrganization === undefined ||
    afterUpstream === undefined ||
    afterRepository === undefined ||
    afterDigest === undefined
  ) {
    throw new TypeError('not a cursor of this sweep');
  }
  return { afterUsedAt, afterOrganization, afterUpstream, afterRepository, afterDigest };
}
