import { type Clock, callDatabase } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { RegistryUser, UserDirectory } from '../access/users.js';
import { selectRows } from './sql.js';

/** A user as administrators see it. `createdAt` is ms since the epoch, `undefined` where it is not known. */
export interface ListedUser {
  readonly name: string;
  readonly isAdministrator: boolean;
  readonly createdAt: number | undefined;
}

interface UserRow {
  readonly name: string;
  readonly is_administrator: boolean;
  readonly created_at: string;
}

/** The users of the registry, in Postgres. Every method throws RegistryError UNAVAILABLE without the database. */
export class PostgresUsers implements UserDirectory {
  readonly #database: Knex;
  readonly #clock: Clock;

  constructor(options: { readonly database: Knex; readonly clock: Clock }) {
    this.#database = options.database;
    this.#clock = options.clock;
  }

  async find(name: string): Promise<RegistryUser | undefined> {
    // Postgres text cannot hold NUL, so nobody has such a name; asking would be an error.
    if (name.includes('\0')) return undefined;
    const [row] = await callDatabase(
      () =>
        selectRows<{ password_hash: string; is_administrator: boolean }>(
          this.#database,
          'SELECT password_hash, is_administrator FROM registry_user WHERE name = :name',
          { name },
        ),
      { idempotent: true },
    );
    return row && { name, passwordHash: row.password_hash, isAdministrator: row.is_administrator };
  }

  /** Users after `last` in byte order of their names, at most `limit`. */
  async list(page: { readonly last: string | undefined; readonly limit: number }): Promise<readonly ListedUser[]> {
    const rows = await callDatabase(
      () =>
        selectRows<UserRow>(
          this.#database,
          `SELECT name, is_administrator, created_at FROM registry_user
           WHERE name > :last ORDER BY name LIMIT :limit`,
          { last: page.last ?? '', limit: page.limit },
        ),
      { idempotent: true },
    );
    return rows.map(listedUser);
  }

  /** The user as administrators see it; `undefined` when there is none. */
  async show(name: string): Promise<ListedUser | undefined> {
    if (name.includes('\0')) return undefined;
    const [row] = await callDatabase(
      () =>
        selectRows<UserRow>(
          this.#database,
          'SELECT name, is_administrator, created_at FROM registry_user WHERE name = :name',
          { name },
        ),
      { idempotent: true },
    );
    return row && listedUser(row);
  }

  /** `exists` when there was one of that name already; it is left as it was. */
  async create(user: RegistryUser): Promise<'created' | 'exists'> {
    const rows = await callDatabase(() =>
      selectRows(
        this.#database,
        `INSERT INTO registry_user (name, password_hash, is_administrator, created_at)
         VALUES (:name, :passwordHash, :isAdministrator, :at) ON CONFLICT DO NOTHING RETURNING name`,
        { ...columns(user), at: this.#clock.now() },
      ),
    );
    return rows.length > 0 ? 'created' : 'exists';
  }

  /** Creates the user, or replaces the one of that name, whose sessions then end. */
  async put(user: RegistryUser): Promise<void> {
    await callDatabase(
      () =>
        selectRows(
          this.#database,
          `WITH changed AS (UPDATE access_change SET number = number + 1),
             ended AS (DELETE FROM web_session WHERE user_name = :name)
           INSERT INTO registry_user (name, password_hash, is_administrator, created_at)
           VALUES (:name, :passwordHash, :isAdministrator, :at)
           ON CONFLICT (name) DO UPDATE
             SET password_hash = excluded.password_hash, is_administrator = excluded.is_administrator`,
          { ...columns(user), at: this.#clock.now() },
        ),
      { idempotent: true },
    );
  }

  /** Changes a user, whose sessions then end; false when there is none. */
  async change(user: RegistryUser): Promise<boolean> {
    const rows = await callDatabase(
      () =>
        selectRows(
          this.#database,
          `WITH changed AS (UPDATE access_change SET number = number + 1),
             ended AS (DELETE FROM web_session WHERE user_name = :name)
           UPDATE registry_user SET password_hash = :passwordHash, is_administrator = :isAdministrator
           WHERE name = :name RETURNING name`,
          columns(user),
        ),
      { idempotent: true },
    );
    return rows.length > 0;
  }

  /** Removes the user with everything that is theirs; false when there was none. */
  async remove(name: string): Promise<boolean> {
    const rows = await callDatabase(() =>
      selectRows(
        this.#database,
        `WITH changed AS (UPDATE access_change SET number = number + 1)
         DELETE FROM registry_user WHERE name = :name RETURNING name`,
        { name },
      ),
    );
    return rows.length > 0;
  }
}

function columns(user: RegistryUser) {
  return { name: user.name, passwordHash: user.passwordHash, isAdministrator: user.isAdministrator };
}

function listedUser(row: UserRow): ListedUser {
  const createdAt = Number(row.created_at);
  return {
    name: row.name,
    isAdministrator: row.is_administrator,
    createdAt: createdAt === 0 ? undefined : createdAt,
  };
}
