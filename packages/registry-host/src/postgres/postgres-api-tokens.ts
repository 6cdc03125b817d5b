import { callDatabase } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { ApiToken, ApiTokenStore, StoredApiToken } from '../access/api-tokens.js';
import { selectRows } from './sql.js';

interface TokenRow {
  readonly id: string;
  readonly user_name: string;
  readonly title: string;
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly last_used_at: string | null;
}

const COLUMNS = 't.id, t.user_name, t.title, t.created_at, t.expires_at, t.last_used_at';

/** API tokens, in Postgres. Every method throws RegistryError UNAVAILABLE without the database. */
export class PostgresApiTokens implements ApiTokenStore {
  readonly #database: Knex;

  constructor(options: { readonly database: Knex }) {
    this.#database = options.database;
  }

  async create(token: ApiToken & { readonly secretHash: Uint8Array }): Promise<boolean> {
    const rows = await this.#run(
      `INSERT INTO api_token (id, user_name, title, secret_hash, created_at, expires_at)
       SELECT :id, name, :title, :secretHash, :createdAt, :expiresAt FROM registry_user WHERE name = :userName
       ON CONFLICT (id) DO UPDATE SET title = excluded.title RETURNING id`,
      {
        id: token.id,
        userName: token.userName,
        title: token.title,
        secretHash: Buffer.from(token.secretHash),
        createdAt: token.createdAt,
        expiresAt: token.expiresAt ?? null,
      },
    );
    return rows.length > 0;
  }

  async find(id: string): Promise<StoredApiToken | undefined> {
    const [row] = await this.#run<TokenRow & { secret_hash: Uint8Array; is_administrator: boolean }>(
      `SELECT ${COLUMNS}, t.secret_hash, u.is_administrator
       FROM api_token t JOIN registry_user u ON u.name = t.user_name WHERE t.id = :id`,
      { id },
    );
    return row && { ...tokenOf(row), secretHash: row.secret_hash, isAdministrator: row.is_administrator };
  }

  async noteUse(id: string, at: number): Promise<void> {
    await this.#run('UPDATE api_token SET last_used_at = greatest(last_used_at, :at) WHERE id = :id', { id, at });
  }

  /** Tokens of a user after one, in the order of their ids. */
  async list(
    userName: string,
    { last = '', limit }: { readonly last: string | undefined; readonly limit: number },
  ): Promise<readonly ApiToken[]> {
    const rows = await this.#run<TokenRow>(
      `SELECT ${COLUMNS} FROM api_token t WHERE t.user_name = :userName AND t.id > :last ORDER BY t.id LIMIT :limit`,
      { userName, last, limit },
    );
    return rows.map(tokenOf);
  }

  /** One of a user's tokens; `undefined` when it is not theirs. */
  async findOf(userName: string, id: string): Promise<ApiToken | undefined> {
    if (id.includes('\0')) return undefined;
    const [row] = await this.#run<TokenRow>(
      `SELECT ${COLUMNS} FROM api_token t WHERE t.user_name = :userName AND t.id = :id`,
      { userName, id },
    );
    return row && tokenOf(row);
  }

  /** Revokes one of a user's tokens; false when it is not theirs. */
  async remove(userName: string, id: string): Promise<boolean> {
    if (id.includes('\0')) return false;
    const rows = await this.#run(
      `WITH changed AS (UPDATE access_change SET number = number + 1)
       DELETE FROM api_token WHERE user_name = :userName AND id = :id RETURNING id`,
      { userName, id },
    );
    return rows.length > 0;
  }

  #run<Row>(sql: string, bindings: Readonly<Record<string, Knex.RawBinding>>): Promise<readonly Row[]> {
    return callDatabase(() => selectRows<Row>(this.#database, sql, bindings), { idempotent: true });
  }
}

function tokenOf(row: TokenRow): ApiToken {
  return {
    id: row.id,
    userName: row.user_name,
    title: row.title,
    createdAt: Number(row.created_at),
    expiresAt: row.expires_at === null ? undefined : Number(row.expires_at),
    lastUsedAt: row.last_used_at === null ? undefined : Number(row.last_used_at),
  };
}
