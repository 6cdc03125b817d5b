import { type CollectionRun, type ContentLink, callDatabase, type Digest } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { ManifestSize, UnlinkedManifests, UnlinkedPage } from '../storage/ports.js';
import { removeFor } from './collector-fence.js';
import { linkBeside, linkColumns } from './link-sql.js';
import { selectRows } from './sql.js';
import { readUnlinkedCursor, type UnlinkedRow, unlinkedCursor } from './unlinked-cursor.js';

interface ManifestRow {
  readonly digest: Digest;
  readonly size: string;
}

/**
 * The freeing of manifests that no repository links to.
 * Every method throws RegistryError UNAVAILABLE (detail.reason "database") without the database.
 */
export class PostgresUnlinkedManifests implements UnlinkedManifests {
  readonly #database: Knex;

  constructor(options: { readonly database: Knex }) {
    this.#database = options.database;
  }

  async unlinked(before: number, cursor: string | undefined, limit: number): Promise<UnlinkedPage<ManifestSize>> {
    const rows = await callDatabase(
      () =>
        selectRows<ManifestRow & UnlinkedRow>(
          this.#database,
          `SELECT digest, size, unlinked_since FROM manifest c
            WHERE unlinked_since < :before AND (unlinked_since, digest) > (:since, :digest)
              AND NOT EXISTS (SELECT FROM content_link l WHERE l.kind = 'manifest' AND l.digest = c.digest)
            ORDER BY unlinked_since, digest LIMIT :limit`,
          { before, ...readUnlinkedCursor(cursor), limit },
        ),
      { idempotent: true },
    );
    return { items: rows.map(toSize), next: unlinkedCursor(rows, limit) };
  }

  async linkedOnlyBy(links: readonly ContentLink[]): Promise<readonly ManifestSize[]> {
    if (links.length === 0) return [];
    const rows = await callDatabase(
      () =>
        selectRows<ManifestRow>(
          this.#database,
          `SELECT m.digest, m.size FROM manifest m
            WHERE m.digest = ANY (CAST(:digests AS text[])) AND NOT EXISTS (${linkBeside('manifest', 'm')})`,
          linkColumns(links),
        ),
      { idempotent: true },
    );
    return rows.map(toSize);
  }

  async remove(digests: readonly Digest[], run: CollectionRun): Promise<readonly ManifestSize[]> {
    return callDatabase(() =>
      removeFor(this.#database, run, async (transaction) => {
        const locked = await selectRows<{ digest: Digest }>(
          transaction,
          `SELECT digest FROM manifest WHERE digest = ANY (CAST(:digests AS text[])) AND unlinked_since IS NOT NULL
            ORDER BY digest FOR UPDATE SKIP LOCKED`,
          { digests: [...digests] },
        );
        if (locked.length === 0) return [];
        const bindings = { digests: locked.map((row) => row.digest) };
        // A statement of its own: it sees the links of every put that had the row before this transaction got it.
        const removed = await selectRows<ManifestRow>(
          transaction,
          `DELETE FROM manifest m
            WHERE m.digest = ANY (CAST(:digests AS text[]))
              AND NOT EXISTS (SELECT FROM content_link l WHERE l.kind = 'manifest' AND l.digest = m.digest)
           RETURNING m.digest, m.size`,
          bindings,
        );
        await selectRows(
          transaction,
          'UPDATE manifest SET unlinked_since = NULL WHERE digest = ANY (CAST(:digests AS text[]))',
          bindings,
        );
        return removed.map(toSize);
      }),
    );
  }
}

function toSize(row: ManifestRow): ManifestSize {
  return { digest: row.digest, size: Number(row.size) };
}
