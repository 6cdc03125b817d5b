import { randomUUID } from 'node:crypto';
import {
  type Clock,
  type CollectionRun,
  type ContentLink,
  callDatabase,
  type Digest,
  type Repository,
} from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type {
  BlobCensus,
  BlobDamages,
  BlobGeneration,
  BlobLinks,
  BlobRemoval,
  BlobStoreIdentity,
  Damage,
  RecordedBlob,
  UnlinkedPage,
} from '../storage/ports.js';
import { removeFor } from './collector-fence.js';
import { linkBeside, linkColumns } from './link-sql.js';
import { repositoryColumns, selectRows } from './sql.js';
import { readUnlinkedCursor, type UnlinkedRow, unlinkedCursor } from './unlinked-cursor.js';

interface BlobRow {
  readonly digest: Digest;
  readonly generation: string;
  readonly size: string;
  readonly damage?: Damage | null;
}

const WITH_DAMAGE = `LEFT JOIN content_damage d ON d.kind = 'blob' AND d.digest = b.digest AND d.generation = b.generation`;

/**
 * The rows behind the blob store: which generation of a digest is live, and who may read it.
 * Every method throws RegistryError UNAVAILABLE (detail.reason "database") without the database.
 */
export class PostgresBlobRows implements BlobLinks, BlobRemoval, BlobDamages, BlobCensus, BlobStoreIdentity {
  readonly #database: Knex;
  readonly #clock: Clock;

  constructor(options: { readonly database: Knex; readonly clock: Clock }) {
    this.#database = options.database;
    this.#clock = options.clock;
  }

  async linked(repository: Repository, digest: Digest): Promise<RecordedBlob | undefined> {
    const [row] = await callDatabase(
      () =>
        selectRows<BlobRow>(
          this.#database,
          `SELECT b.digest, b.generation, b.size, d.damage
             FROM content_link l JOIN blob b ON b.digest = l.digest AND b.state = 'live' ${WITH_DAMAGE}
            WHERE l.organization = :organization AND l.upstream = :upstream AND l.repository = :repository
              AND l.kind = 'blob' AND l.digest = :digest`,
          { ...repositoryColumns(repository), digest },
        ),
      { idempotent: true },
    );
    return row && toRecorded(row);
  }

  async live(digest: Digest): Promise<RecordedBlob | undefined> {
    const [row] = await callDatabase(
      () =>
        selectRows<BlobRow>(
          this.#database,
          `SELECT b.digest, b.generation, b.size, d.damage FROM blob b ${WITH_DAMAGE}
            WHERE b.digest = :digest AND b.state = 'live'`,
          { digest },
        ),
      { idempotent: true },
    );
    return row && toRecorded(row);
  }

  async link(repository: Repository, blob: BlobGeneration): Promise<boolean> {
    const { digest, generation } = blob;
    return callDatabase(
      () =>
        this.#database.transaction(async (transaction) => {
          // The update locks the row against collection, and after a collection that came first it finds none.
          const rows = await selectRows(
            transaction,
            `UPDATE blob SET unlinked_since = NULL
              WHERE digest = :digest AND generation = :generation AND state = 'live' RETURNING digest`,
            { digest, generation },
          );
          if (rows.length === 0) return false;
          await insertLink(transaction, repository, digest, this.#clock.now());
          return true;
        }),
      { idempotent: true },
    );
  }

  async publish(repository: Repository, blob: BlobGeneration, replaces: string | undefined): Promise<boolean> {
    const { digest, generation, size } = blob;
    const at = this.#clock.now();
    // Not repeated: after a lost connection the caller begins again and finds out what became of it.
    return callDatabase(() =>
      this.#database.transaction(async (transaction) => {
        if (replaces !== undefined) {
          await selectRows(
            transaction,
            `UPDATE blob SET state = 'deleting'
              WHERE digest = :digest AND generation = :replaces AND state = 'live'`,
            { digest, replaces },
          );
        }
        const rows = await selectRows(
          transaction,
          `INSERT INTO blob (digest, generation, size, state, created_at)
           VALUES (:digest, :generation, :size, 'live', :at)
           ON CONFLICT (digest) WHERE state = 'live' DO NOTHING RETURNING digest`,
          { digest, generation, size, at },
        );
        if (rows.length === 0) return false;
        await insertLink(transaction, repository, digest, at);
        return true;
      }),
    );
  }

  async unlinked(before: number, cursor: string | undefined, limit: number): Promise<UnlinkedPage<BlobGeneration>> {
    const rows = await callDatabase(
      () =>
        selectRows<BlobRow & UnlinkedRow>(
          this.#database,
          `SELECT digest, generation, size, unlinked_since FROM blob c
            WHERE state = 'live' AND unlinked_since < :before AND (unlinked_since, digest) > (:since, :digest)
              AND NOT EXISTS (SELECT FROM content_link l WHERE l.kind = 'blob' AND l.digest = c.digest)
            ORDER BY unlinked_since, digest LIMIT :limit`,
          { before, ...readUnlinkedCursor(cursor), limit },
        ),
      { idempotent: true },
    );
    return { items: rows.map(toGeneration), next: unlinkedCursor(rows, limit) };
  }

  async linkedOnlyBy(links: readonly ContentLink[]): Promise<readonly BlobGeneration[]> {
    if (links.length === 0) return [];
    const rows = await callDatabase(
      () =>
        selectRows<BlobRow>(
          this.#database,
          `SELECT b.digest, b.generation, b.size FROM blob b
            WHERE b.state = 'live' AND b.digest = ANY (CAST(:digests AS text[])) AND NOT EXISTS (${linkBeside('blob', 'b')})`,
          linkColumns(links),
        ),
      { idempotent: true },
    );
    return rows.map(toGeneration);
  }

  async claim(
    before: number,
    limit: number,
    run: CollectionRun,
  ): Promise<{ readonly claimed: readonly BlobGeneration[]; readonly more: boolean }> {
    // Not repeated: what a lost answer claimed is marked, and is found among the marked ones.
    return callDatabase(() =>
      removeFor(this.#database, run, async (transaction) => {
        const locked = await selectRows<BlobRow>(
          transaction,
          `SELECT digest, generation, size FROM blob
            WHERE state = 'live' AND unlinked_since < :before
            ORDER BY unlinked_since, digest LIMIT :limit FOR UPDATE SKIP LOCKED`,
          { before, limit },
        );
        if (locked.length === 0) return { claimed: [], more: false };
        const bindings = {
          digests: locked.map((row) => row.digest),
          generations: locked.map((row) => row.generation),
        };
        // A statement of its own: it sees the link of every import that had the row before this transaction got it.
        const claimed = await selectRows<BlobRow>(
          transaction,
          `UPDATE blob b SET state = 'deleting'
             FROM unnest(CAST(:digests AS text[]), CAST(:generations AS text[])) AS locked (digest, generation)
            WHERE b.digest = locked.digest AND b.generation = locked.generation
              AND NOT EXISTS (SELECT FROM content_link l WHERE l.kind = 'blob' AND l.digest = b.digest)
           RETURNING b.digest, b.generation, b.size`,
          bindings,
        );
        await selectRows(
          transaction,
          `UPDATE blob b SET unlinked_since = NULL
             FROM unnest(CAST(:digests AS text[]), CAST(:generations AS text[])) AS locked (digest, generation)
            WHERE b.digest = locked.digest AND b.generation = locked.generation AND b.state = 'live'`,
          bindings,
        );
        return { claimed: claimed.map(toGeneration), more: locked.length === limit };
      }),
    );
  }

  async marked(after: BlobGeneration | undefined, limit: number): Promise<readonly RecordedBlob[]> {
    const rows = await callDatabase(
      () =>
        selectRows<BlobRow>(
          this.#database,
          `SELECT b.digest, b.generation, b.size, d.damage FROM blob b ${WITH_DAMAGE}
            WHERE b.state = 'deleting' AND (b.digest, b.generation) > (:digest, :generation)
            ORDER BY b.digest, b.generation LIMIT :limit`,
          { digest: after?.digest ?? '', generation: after?.generation ?? '', limit },
        ),
      { idempotent: true },
    );
    return rows.map(toRecorded);
  }

  async erase(blob: BlobGeneration): Promise<boolean> {
    const { digest, generation } = blob;
    const rows = await callDatabase(
      () =>
        selectRows(
          this.#database,
          `WITH erased AS (
             DELETE FROM blob WHERE digest = :digest AND generation = :generation AND state = 'deleting'
             RETURNING digest, generation),
           unmarked AS (
             DELETE FROM content_damage d USING erased e
              WHERE d.kind = 'blob' AND d.digest = e.digest AND d.generation = e.generation)
           SELECT digest FROM erased`,
          { digest, generation },
        ),
      { idempotent: true },
    );
    return rows.length > 0;
  }

  async known(blobs: readonly Pick<BlobGeneration, 'digest' | 'generation'>[]): Promise<readonly boolean[]> {
    const rows = await callDatabase(
      () =>
        selectRows<{ known: boolean }>(
          this.#database,
          `SELECT b.digest IS NOT NULL AS known
             FROM unnest(CAST(:digests AS text[]), CAST(:generations AS text[]))
                    WITH ORDINALITY AS asked (digest, generation, position)
             LEFT JOIN blob b ON b.digest = asked.digest AND b.generation = asked.generation
            ORDER BY asked.position`,
          { digests: blobs.map((each) => each.digest), generations: blobs.map((each) => each.generation) },
        ),
      { idempotent: true },
    );
    return rows.map((row) => row.known);
  }

  async report(blob: BlobGeneration, damage: Damage): Promise<boolean> {
    const { digest, generation } = blob;
    const rows = await callDatabase(
      () =>
        selectRows<{ is_new: boolean }>(
          this.#database,
          `INSERT INTO content_damage (kind, digest, generation, damage, found_at)
           SELECT 'blob', digest, generation, :damage, :at FROM blob
            WHERE digest = :digest AND generation = :generation AND state = 'live'
           ON CONFLICT (kind, digest, generation) DO UPDATE SET damage = excluded.damage
           RETURNING xmax = 0 AS is_new`,
          { digest, generation, damage, at: this.#clock.now() },
        ),
      { idempotent: true },
    );
    return rows[0]?.is_new ?? false;
  }

  async clear(blob: BlobGeneration): Promise<boolean> {
    const { digest, generation } = blob;
    const rows = await callDatabase(
      () =>
        selectRows(
          this.#database,
          `DELETE FROM content_damage WHERE kind = 'blob' AND digest = :digest AND generation = :generation
           RETURNING digest`,
          { digest, generation },
        ),
      { idempotent: true },
    );
    return rows.length > 0;
  }

  async liveAfter(digest: Digest | undefined, limit: number): Promise<readonly RecordedBlob[]> {
    const rows = await callDatabase(
      () =>
        selectRows<BlobRow>(
          this.#database,
          `SELECT b.digest, b.generation, b.size, d.damage FROM blob b ${WITH_DAMAGE}
            WHERE b.state = 'live' AND b.digest > :digest
            ORDER BY b.digest LIMIT :limit`,
          { digest: digest ?? '', limit },
        ),
      { idempotent: true },
    );
    return rows.map(toRecorded);
  }

  async id(): Promise<string> {
    return callDatabase(
      async () => {
        await selectRows(
          this.#database,
          'INSERT INTO blob_store_identity (singleton, id) VALUES (true, :id) ON CONFLICT DO NOTHING',
          { id: randomUUID() },
        );
        const [row] = await selectRows<{ id: string }>(this.#database, 'SELECT id FROM blob_store_identity');
        if (row === undefined) throw new Error('the blob store has no identity');
        return row.id;
      },
      { idempotent: true },
    );
  }

  async isEmpty(): Promise<boolean> {
    const rows = await callDatabase(() => selectRows(this.#database, 'SELECT digest FROM blob LIMIT 1'), {
      idempotent: true,
    });
    return rows.length === 0;
  }
}

async function insertLink(transaction: Knex.Transaction, repository: Repository, digest: Digest, at: number) {
  await selectRows(
    transaction,
    `INSERT INTO content_link (organization, upstream, repository, kind, digest, linked_at, used_at)
     VALUES (:organization, :upstream, :repository, 'blob', :digest, :at, :at)
     ON CONFLICT (organization, upstream, repository, kind, digest)
       DO UPDATE SET used_at = greatest(content_link.used_at + 1, excluded.used_at)`,
    { ...repositoryColumns(repository), digest, at },
  );
}

function toRecorded(row: BlobRow): RecordedBlob {
  return { ...toGeneration(row), ...(row.damage === null || row.damage === undefined ? {} : { damage: row.damage }) };
}

function toGeneration(row: BlobRow): BlobGeneration {
  return { digest: row.digest, generation: row.generation, size: Number(row.size) };
}
