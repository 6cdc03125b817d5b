import { callDatabase, type Digest } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { Damage, DamagedContent, DamageList } from '../storage/ports.js';
import { selectRows } from './sql.js';

/** Marks that mean something: the manifest, or that generation of the blob, is what would be served. */
const MEANT = `
  CASE d.kind
    WHEN 'manifest' THEN EXISTS (SELECT FROM manifest m WHERE m.digest = d.digest)
    ELSE EXISTS (
      SELECT FROM blob b WHERE b.digest = d.digest AND b.generation = d.generation AND b.state = 'live')
  END`;

/** The marks of damaged content. Every method throws RegistryError UNAVAILABLE (detail.reason "database"). */
export class PostgresDamageList implements DamageList {
  readonly #database: Knex;

  constructor(options: { readonly database: Knex }) {
    this.#database = options.database;
  }

  async list(
    after: { readonly kind: string; readonly digest: string; readonly generation: string } | undefined,
    limit: number,
  ): Promise<readonly DamagedContent[]> {
    const rows = await callDatabase(
      () =>
        selectRows<{
          kind: 'manifest' | 'blob';
          digest: Digest;
          generation: string;
          damage: Damage;
          found_at: string;
        }>(
          this.#database,
          `SELECT d.kind, d.digest, d.generation, d.damage, d.found_at FROM content_damage d
            WHERE (d.kind, d.digest, d.generation) > (:kind, :digest, :generation) AND ${MEANT}
            ORDER BY d.kind, d.digest, d.generation LIMIT :limit`,
          {
            kind: after?.kind ?? '',
            digest: after?.digest ?? '',
            generation: after?.generation ?? '',
            limit,
          },
        ),
      { idempotent: true },
    );
    return rows.map(({ kind, digest, generation, damage, found_at }) => ({
      kind,
      digest,
      generation,
      damage,
      foundAt: Number(found_at),
    }));
  }

  async count(): Promise<Readonly<Record<'manifest' | 'blob', number>>> {
    const rows = await callDatabase(
      () =>
        selectRows<{ kind: 'manifest' | 'blob'; count: string }>(
          this.#database,
          `SELECT d.kind, count(*) AS count FROM content_damage d WHERE ${MEANT} GROUP BY d.kind`,
        ),
      { idempotent: true },
    );
    const of = (kind: string) => Number(rows.find((row) => row.kind === kind)?.count ?? 0);
    return { manifest: of('manifest'), blob: of('blob') };
  }

  async prune(quarantinedBefore: number): Promise<void> {
    await callDatabase(
      async () => {
        // Marks of blobs on their way out stay: they say that the file goes into quarantine.
        await selectRows(
          this.#database,
          `DELETE FROM content_damage d
            WHERE NOT EXISTS (SELECT FROM manifest m WHERE d.kind = 'manifest' AND m.digest = d.digest)
              AND NOT EXISTS (
                SELECT FROM blob b WHERE d.kind = 'blob' AND b.digest = d.digest AND b.generation = d.generation)`,
        );
        await selectRows(this.#database, 'DELETE FROM manifest_quarantine WHERE quarantined_at < :quarantinedBefore', {
          quarantinedBefore,
        });
      },
      { idempotent: true },
    );
  }
}
