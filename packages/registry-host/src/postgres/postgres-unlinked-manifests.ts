import type { Digest } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { UnlinkedManifests } from '../storage/ports.js';
import { callDatabase } from './database-error.js';
import { selectRows } from './sql.js';

/** The freeing of manifests that no repository links to. */
export class PostgresUnlinkedManifests implements UnlinkedManifests {
  readonly #database: Knex;

  constructor(options: { readonly database: Knex }) {
    this.#database = options.database;
  }

  async count(before: number): Promise<{ readonly count: number; readonly bytes: number }> {
    const [row] = await callDatabase(
      () =>
        selectRows<{ count: string; bytes: string }>(
          this.#database,
          `SELECT count(*) AS count, coalesce(sum(size), 0) AS bytes FROM manifest m
            WHERE unlinked_since < :before
              AND NOT EXISTS (SELECT FROM content_link l WHERE l.kind = 'manifest' AND l.digest = m.digest)`,
          { before },
        ),
      { idempotent: true },
    );
    return { count: Number(row?.count ?? 0), bytes: Number(row?.bytes ?? 0) };
  }

  async remove(
    before: number,
    limit: number,
  ): Promise<{ readonly removed: readonly { digest: Digest; size: number }[]; readonly more: boolean }> {
    return callDatabase(() =>
      this.#database.transaction(async (transaction) => {
        const locked = await selectRows<{ digest: Digest }>(
          transaction,
          `SELECT digest FROM manifest WHERE unlinked_since < :before
            ORDER BY unlinked_since, digest LIMIT :limit FOR UPDATE SKIP LOCKED`,
          { before, limit },
        );
        if (locked.length === 0) return { removed: [], more: false };
        const digests = locked.map((row) => row.digest);
        // A statement of its own: it sees the links of every put that had the row before this transaction got it.
        const removed = await selectRows<{ digest: Digest; size: string }>(
          transaction,
          `DELETE FROM manifest m
            WHERE m.digest = ANY (CAST(:digests AS text[]))
              AND NOT EXISTS (SELECT FROM content_link l WHERE l.kind = 'manifest' AND l.digest = m.digest)
           RETURNING m.digest, m.size`,
          { digests },
        );
        await selectRows(
          transaction,
          'UPDATE manifest SET unlinked_since = NULL WHERE digest = ANY (CAST(:digests AS text[]))',
          { digests },
        );
        return {
          removed: removed.map((row) => ({ digest: row.digest, size: Number(row.size) })),
          more: locked.length === limit,
        };
      }),
    );
  }
}
