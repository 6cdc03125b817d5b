import { type Clock, callDatabase } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { StorageTaskName, StorageTaskState, StorageTasks } from '../storage/ports.js';
import { selectRows } from './sql.js';

/** How long whoever is at a task may be silent before somebody else goes on with it, ms. */
const LEASE_MS = 60_000;

/** Leases and progress of storage tasks. Every method throws RegistryError UNAVAILABLE (detail.reason "database"). */
export class PostgresStorageTasks implements StorageTasks {
  readonly #database: Knex;
  readonly #clock: Clock;

  constructor(options: { readonly database: Knex; readonly clock: Clock }) {
    this.#database = options.database;
    this.#clock = options.clock;
  }

  async take(
    name: StorageTaskName,
    holder: string,
    finishedBefore: number,
  ): Promise<{ readonly startedAt: number; readonly progress?: unknown } | undefined> {
    const now = this.#clock.now();
    const [row] = await this.#run<{ started_at: string; progress: unknown }>(
      `INSERT INTO storage_task AS t (name, holder, lease_until, started_at) VALUES (:name, :holder, :until, :now)
       ON CONFLICT (name) DO UPDATE SET
         holder = excluded.holder,
         lease_until = excluded.lease_until,
         started_at = CASE WHEN t.finished_at IS NULL THEN t.started_at ELSE excluded.started_at END,
         progress = CASE WHEN t.finished_at IS NULL THEN t.progress END,
         finished_at = NULL
       WHERE (t.holder IS NULL OR t.lease_until < :now) AND (t.finished_at IS NULL OR t.finished_at < :finishedBefore)
       RETURNING t.started_at, t.progress`,
      { name, holder, now, until: now + LEASE_MS, finishedBefore },
      // Done twice, the second would find the lease of the first.
      false,
    );
    if (row === undefined) return undefined;
    return { startedAt: Number(row.started_at), ...(row.progress === null ? {} : { progress: row.progress }) };
  }

  async keep(name: StorageTaskName, holder: string, progress?: unknown): Promise<boolean> {
    const rows = await this.#run(
      `UPDATE storage_task SET lease_until = :until, progress = coalesce(CAST(:progress AS jsonb), progress)
        WHERE name = :name AND holder = :holder RETURNING name`,
      {
        name,
        holder,
        until: this.#clock.now() + LEASE_MS,
        progress: progress === undefined ? null : JSON.stringify(progress),
      },
    );
    return rows.length > 0;
  }

  async finish(name: StorageTaskName, holder: string, report: unknown): Promise<void> {
    await this.#run(
      `UPDATE storage_task
          SET holder = NULL, lease_until = NULL, progress = NULL, finished_at = :now, report = CAST(:report AS jsonb)
        WHERE name = :name AND holder = :holder`,
      { name, holder, now: this.#clock.now(), report: JSON.stringify(report) },
    );
  }

  async release(name: StorageTaskName, holder: string): Promise<void> {
    await this.#run(
      'UPDATE storage_task SET holder = NULL, lease_until = NULL WHERE name = :name AND holder = :holder',
      { name, holder },
    );
  }

  async state(name: StorageTaskName): Promise<StorageTaskState | undefined> {
    const [row] = await this.#run<{
      started_at: string;
      finished_at: string | null;
      running: boolean;
      report: unknown;
    }>(
      `SELECT started_at, finished_at, report, coalesce(holder IS NOT NULL AND lease_until >= :now, false) AS running
         FROM storage_task WHERE name = :name`,
      { name, now: this.#clock.now() },
    );
    if (row === undefined) return undefined;
    return {
      startedAt: Number(row.started_at),
      ...(row.finished_at === null ? {} : { finishedAt: Number(row.finished_at) }),
      running: row.running,
      ...(row.report === null ? {} : { report: row.report }),
    };
  }

  #run<Row>(
    sql: string,
    bindings: Readonly<Record<string, Knex.RawBinding>>,
    idempotent = true,
  ): Promise<readonly Row[]> {
    return callDatabase(() => selectRows<Row>(this.#database, sql, bindings), { idempotent });
  }
}
