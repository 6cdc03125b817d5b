import { type Clock, callDatabase } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { AccountEntry, AccountLog } from '../access/account-log.js';
import { selectRows } from './sql.js';

/** An entry that was written. `at` is ms since the epoch. */
export interface LoggedAccountEntry {
  readonly id: number;
  readonly at: number;
  readonly kind: string;
  readonly performedBy: string | undefined;
  readonly address: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Which entries are wanted, the latest first. */
export interface AccountLogSearch {
  /** Only those before this id. */
  readonly before: number | undefined;
  readonly performedBy: string | undefined;
  readonly limit: number;
}

interface LogRow {
  readonly id: string;
  readonly at: string;
  readonly kind: string;
  readonly performed_by: string | null;
  readonly address: string | null;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Most entries that are kept, however young: whoever guesses passwords writes one each. */
const MOST_KEPT = 1_000_000;

/** The log of accounts, in Postgres. Every method throws RegistryError UNAVAILABLE without the database. */
export class PostgresAccountLog implements AccountLog {
  readonly #database: Knex;
  readonly #clock: Clock;

  constructor(options: { readonly database: Knex; readonly clock: Clock }) {
    this.#database = options.database;
    this.#clock = options.clock;
  }

  async record({ kind, performedBy, address, details }: AccountEntry): Promise<void> {
    await callDatabase(() =>
      selectRows(
        this.#database,
        `INSERT INTO account_log (at, kind, performed_by, address, details)
         VALUES (:at, :kind, :performedBy, :address, :details)`,
        {
          at: this.#clock.now(),
          kind,
          performedBy: performedBy ?? null,
          address: address ?? null,
          details: JSON.stringify(details),
        },
      ),
    );
  }

  async list({ before, performedBy, limit }: AccountLogSearch): Promise<readonly LoggedAccountEntry[]> {
    const rows = await callDatabase(
      () =>
        selectRows<LogRow>(
          this.#database,
          `SELECT id, at, kind, performed_by, address, details FROM account_log
           WHERE (:before::bigint IS NULL OR id < :before) AND (:performedBy::text IS NULL OR performed_by = :performedBy)
           ORDER BY id DESC LIMIT :limit`,
          { before: before ?? null, performedBy: performedBy ?? null, limit } as never,
        ),
      { idempotent: true },
    );
    return rows.map((row) => ({
      id: Number(row.id),
      at: Number(row.at),
      kind: row.kind,
      performedBy: row.performed_by ?? undefined,
      address: row.address ?? undefined,
      details: row.details,
    }));
  }

  /** Removes at most `limit` of the entries from before a time, or above the most that is kept; resolves to how many. */
  async prune(before: number, limit: number): Promise<number> {
    const rows = await callDatabase(
      () =>
        selectRows(
          this.#database,
          `DELETE FROM account_log WHERE id IN (
             SELECT id FROM account_log
             WHERE at < :before OR id <= (SELECT max(id) FROM account_log) - :most
             ORDER BY id LIMIT :limit) RETURNING id`,
          { before, most: MOST_KEPT, limit },
        ),
      { idempotent: true },
    );
    return rows.length;
  }
}
