import {
  type Clock,
  type CollectionRun,
  type ContentLink,
  type ContentSweep,
  callDatabase,
  type Digest,
  type InspectedLink,
  type LinkKey,
  type Logger,
  type OrganizationName,
  type RepositoryName,
  repositoryKey,
  type Tag,
} from '@breakwater/registry-core';
import type { Knex } from 'knex';
import { removeFor } from './collector-fence.js';
import { linkColumns } from './link-sql.js';
import { PostgresSweepCandidates } from './postgres-sweep-candidates.js';
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

interface InspectedRow {
  readonly position: string;
  readonly used_at: string;
  readonly tags: readonly Tag[];
  readonly referrers: readonly Digest[];
  readonly subjects: readonly Digest[];
  /** `kind digest` each. */
  readonly keeps: readonly string[];
}

interface LinkRow {
  readonly organization: OrganizationName;
  readonly upstream: string;
  readonly repository: RepositoryName;
  readonly digest: Digest;
  readonly used_at: string;
}

/** The sweep of links in Postgres. Safe beside pulls, puts, imports and other sweeps, in this process and others. */
export class PostgresContentSweep extends PostgresSweepCandidates implements ContentSweep {
  readonly #database: Knex;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(options: { readonly database: Knex; readonly clock: Clock; readonly logger: Logger }) {
    super(options);
    this.#database = options.database;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** @throws RegistryError UNAVAILABLE (detail.reason "database") */
  async inspect(links: readonly LinkKey[], most: number): Promise<readonly (InspectedLink | undefined)[]> {
    if (links.length === 0) return [];
    const rows = await callDatabase(
      () =>
        selectRows<InspectedRow>(
          this.#database,
          `SELECT asked.position, l.used_at,
                  ARRAY(SELECT t.tag FROM hosted_tag t
                         WHERE l.kind = 'manifest' AND l.upstream = '' AND t.organization = l.organization
                           AND t.repository = l.repository AND t.digest = l.digest
                         LIMIT :most) AS tags,
                  ARRAY(SELECT p.digest FROM manifest_reference r JOIN content_link p ON p.digest = r.digest
                         WHERE r.kind = l.kind AND r.referenced_digest = l.digest
                           AND p.kind = 'manifest' AND p.organization = l.organization AND p.upstream = l.upstream
                           AND p.repository = l.repository
                         LIMIT :most) AS referrers,
                  ARRAY(SELECT p.digest FROM manifest_subject s JOIN content_link p ON p.digest = s.subject
                         WHERE l.kind = 'manifest' AND s.digest = l.digest
                           AND p.kind = 'manifest' AND p.organization = l.organization AND p.upstream = l.upstream
                           AND p.repository = l.repository) AS subjects,
                  ARRAY(SELECT r.kind || ' ' || r.referenced_digest FROM manifest_reference r
                         WHERE l.kind = 'manifest' AND r.digest = l.digest
                        UNION ALL
                        SELECT 'manifest ' || s.digest FROM manifest_subject s
                         WHERE l.kind = 'manifest' AND s.subject = l.digest) AS keeps
             FROM unnest(CAST(:organizations AS text[]), CAST(:upstreams AS text[]), CAST(:repositories AS text[]),
                         CAST(:digests AS text[]), CAST(:kinds AS text[]))
                    WITH ORDINALITY AS asked (organization, upstream, repository, digest, kind, position)
             JOIN content_link l ON l.organization = asked.organization AND l.upstream = asked.upstream
              AND l.repository = asked.repository AND l.kind = asked.kind AND l.digest = asked.digest`,
          { ...linkColumns(links), kinds: links.map(({ kind }) => kind), most },
        ),
      { idempotent: true },
    );
    const found = new Map(rows.map((row) => [Number(row.position), row]));
    return links.map((link, index) => {
      const row = found.get(index + 1);
      return row === undefined ? undefined : toInspected(link, row, most);
    });
  }

  /**
   * @throws RegistryError UNAVAILABLE (detail.reason "database"); the batches before it are removed
   * @throws CollectionSupersededError (code COLLECTION_SUPERSEDED); the batches before it are removed
   */
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
      () =>
        removeFor(this.#database, run, async (transaction) => {
          return removeLinks(transaction, kind, bindings);
        }),
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

function linkKey({ repository, kind, digest }: LinkKey): string {
  return `${repositoryKey(repository)}\n${kind}\n${digest}`;
}

function toInspected(link: LinkKey, row: InspectedRow, most: number): InspectedLink {
  const { repository, kind, digest } = link;
  return {
    repository,
    kind,
    digest,
    usedAt: Number(row.used_at),
    tags: row.tags,
    keptBy: [...row.referrers, ...row.subjects],
    more: row.tags.length >= most || row.referrers.length >= most,
    keeps: row.keeps.map((each) => {
      const [keptKind, kept] = each.split(' ');
      return { kind: keptKind === 'manifest' ? 'manifest' : 'blob', digest: kept as Digest };
    }),
  };
}
