import { randomUUID } from 'node:crypto';
import { type Clock, callDatabase, type Repository } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { UploadClaim, UploadRows } from '../uploads/upload-rows.js';
import { selectRows } from './sql.js';

/** Uploads under way, in Postgres. Every method throws RegistryError UNAVAILABLE (detail.reason "database") without it. */
export class PostgresUploadRows implements UploadRows {
  readonly #database: Knex;
  readonly #clock: Clock;

  constructor(options: { readonly database: Knex; readonly clock: Clock }) {
    this.#database = options.database;
    this.#clock = options.clock;
  }

  async create(repository: Repository, id: string): Promise<void> {
    await this.#rows(
      `INSERT INTO blob_upload (id, organization, repository, bytes, started_at, touched_at)
       VALUES (:id, :organization, :repository, 0, :now, :now) ON CONFLICT DO NOTHING`,
      { id, ...columns(repository), now: this.#clock.now() },
    );
  }

  async bytes(repository: Repository, id: string): Promise<number | undefined> {
    const [row] = await this.#rows<{ bytes: string }>(
      `SELECT bytes FROM blob_upload
        WHERE id = :id AND organization = :organization AND repository = :repository`,
      { id, ...columns(repository) },
    );
    return row && Number(row.bytes);
  }

  async claim(repository: Repository, id: string, until: number): Promise<UploadClaim | 'busy' | undefined> {
    const writer = randomUUID();
    const [row] = await this.#rows<{ bytes: string }>(
      `UPDATE blob_upload SET writer = :writer, writer_until = :until, touched_at = :now
        WHERE id = :id AND organization = :organization AND repository = :repository
          AND (writer IS NULL OR writer = :writer OR writer_until <= :now)
        RETURNING bytes`,
      { id, writer, until, ...columns(repository), now: this.#clock.now() },
    );
    if (row !== undefined) return { bytes: Number(row.bytes), writer };
    return (await this.bytes(repository, id)) === undefined ? undefined : 'busy';
  }

  async renew(id: string, writer: string, until: number): Promise<void> {
    await this.#rows(
      'UPDATE blob_upload SET writer_until = :until, touched_at = :now WHERE id = :id AND writer = :writer',
      { id, writer, until, now: this.#clock.now() },
    );
  }

  async release(id: string, writer: string, bytes: number): Promise<boolean> {
    // Not repeated: after a lost answer the claim is gone, and the upload is looked at anew.
    const rows = await callDatabase(() =>
      selectRows(
        this.#database,
        `UPDATE blob_upload SET writer = NULL, writer_until = NULL, bytes = :bytes, touched_at = :now
          WHERE id = :id AND writer = :writer RETURNING id`,
        { id, writer, bytes, now: this.#clock.now() },
      ),
    );
    return rows.length > 0;
  }

  async remove(repository: Repository, id: string): Promise<boolean> {
    const rows = await this.#rows(
      `DELETE FROM blob_upload
        WHERE id = :id AND organization = :organization AND repository = :repository RETURNING id`,
      { id, ...columns(repository) },
    );
    return rows.length > 0;
  }

  async removeStale(before: number, limit: number): Promise<readonly string[]> {
    const rows = await this.#rows<{ id: string }>(
      `DELETE FROM blob_upload WHERE id IN (
         SELECT id FROM blob_upload
          WHERE touched_at < :before AND (writer IS NULL OR writer_until < :before)
          ORDER BY touched_at, id LIMIT :limit FOR UPDATE SKIP LOCKED)
       RETURNING id`,
      { before, limit },
    );
    return rows.map((row) => row.id);
  }

  async stale(before: number): Promise<{ readonly uploads: number; readonly bytes: number }> {
    const [row] = await this.#rows<{ uploads: string; bytes: string }>(
      `SELECT count(*) AS uploads, coalesce(sum(bytes), 0) AS bytes FROM blob_upload
        WHERE touched_at < :before AND (writer IS NULL OR writer_until < :before)`,
      { before },
    );
    return { uploads: Number(row?.uploads ?? 0), bytes: Number(row?.bytes ?? 0) };
  }

  async known(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.#rows<{ id: string }>('SELECT id FROM blob_upload WHERE id = ANY (CAST(:ids AS text[]))', {
      ids: [...ids],
    });
    return new Set(rows.map((row) => row.id));
  }

  #rows<Row>(sql: string, bindings: Readonly<Record<string, Knex.RawBinding>>): Promise<readonly Row[]> {
    return callDatabase(() => selectRows<Row>(this.#database, sql, bindings), { idempotent: true });
  }
}

function columns({ organization, name }: Repository): { readonly organization: string; readonly repository: string } {
  return { organization, repository: name };
}
