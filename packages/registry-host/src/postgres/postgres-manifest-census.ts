import { callDatabase, type Digest } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { ManifestCensus } from '../storage/ports.js';
import { selectRows } from './sql.js';

/** Manifests as they are stored. Throws RegistryError UNAVAILABLE (detail.reason "database"). */
export class PostgresManifestCensus implements ManifestCensus {
  readonly #database: Knex;

  constructor(options: { readonly database: Knex }) {
    this.#database = options.database;
  }

  async after(
    digest: Digest | undefined,
    limit: number,
  ): Promise<readonly { readonly digest: Digest; readonly bytes: Uint8Array; readonly isMarked: boolean }[]> {
    const rows = await callDatabase(
      () =>
        selectRows<{ digest: Digest; bytes: Uint8Array; is_marked: boolean }>(
          this.#database,
          `SELECT m.digest, m.bytes, d.digest IS NOT NULL AS is_marked
             FROM manifest m LEFT JOIN content_damage d ON d.kind = 'manifest' AND d.digest = m.digest
            WHERE m.digest > :digest ORDER BY m.digest LIMIT :limit`,
          { digest: digest ?? '', limit },
        ),
      { idempotent: true },
    );
    return rows.map((row) => ({ digest: row.digest, bytes: row.bytes, isMarked: row.is_marked }));
  }
}
