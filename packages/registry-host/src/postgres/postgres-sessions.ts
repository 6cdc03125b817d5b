import { callDatabase } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { SessionStore, StoredSession } from '../access/sessions.js';
import { selectRows } from './sql.js';

interface SessionRow {
  readonly user_name: string;
  readonly is_administrator: boolean;
  readonly created_at: string;
  readonly last_used_at: string;
}

/** Sessions of the page, in Postgres. Every method throws RegistryError UNAVAILABLE without the database. */
export class PostgresSessions implements SessionStore {
  readonly #database: Knex;

  constructor(options: { readonly database: Knex }) {
    this.#database = options.database;
  }

  async create(idHash: Uint8Array, userName: string, at: number): Promise<void> {
    await this.#run(
      `INSERT INTO web_session (id_hash, user_name, created_at, last_used_at)
       VALUES (:idHash, :userName, :at, :at) ON CONFLICT DO NOTHING`,
      { idHash: Buffer.from(idHash), userName, at },
    );
  }

  async find(idHash: Uint8Array): Promise<StoredSession | undefined> {
    const [row] = await this.#run<SessionRow>(
      `SELECT s.user_name, u.is_administrator, s.created_at, s.last_used_at
       FROM web_session s JOIN registry_user u ON u.name = s.user_name WHERE s.id_hash = :idHash`,
      { idHash: Buffer.from(idHash) },
    );
    return (
      row && {
        userName: row.user_name,
        isAdministrator: row.is_administrator,
        createdAt: Number(row.created_at),
        lastUsedAt: Number(row.last_used_at),
      }
    );
  }

  async touch(idHash: Uint8Array, at: number): Promise<void> {
    await this.#run('UPDATE web_session SET last_used_at = greatest(last_used_at, :at) WHERE id_hash = :idHash', {
      idHash: Buffer.from(idHash),
      at,
    });
  }

  async remove(idHash: Uint8Array): Promise<void> {
    await this.#run('DELETE FROM web_session WHERE id_hash = :idHash', { idHash: Buffer.from(idHash) });
  }

  async prune(createdBefore: number, usedBefore: number): Promise<void> {
    await this.#run('DELETE FROM web_session WHERE created_at <= :createdBefore OR last_used_at <= :usedBefore', {
      createdBefore,
      usedBefore,
    });
  }

  #run<Row>(sql: string, bindings: Readonly<Record<string, Knex.RawBinding>>): Promise<readonly Row[]> {
    return callDatabase(() => selectRows<Row>(this.#database, sql, bindings), { idempotent: true });
  }
}
