import type { Knex } from 'knex';
import type { RegistryUser, UserDirectory } from '../access/users.js';
import { callDatabase } from './database-error.js';
import { selectRows } from './sql.js';

/** The users of the registry, in Postgres. Every method throws RegistryError UNAVAILABLE without the database. */
export class PostgresUsers implements UserDirectory {
  readonly #database: Knex;

  constructor(options: { readonly database: Knex }) {
    this.#database = options.database;
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

  /** Creates the user, or replaces the one of that name. */
  async put(user: RegistryUser): Promise<void> {
    await callDatabase(
      () =>
        selectRows(
          this.#database,
          `INSERT INTO registry_user (name, password_hash, is_administrator)
           VALUES (:name, :passwordHash, :isAdministrator)
           ON CONFLICT (name) DO UPDATE
             SET password_hash = excluded.password_hash, is_administrator = excluded.is_administrator`,
          { name: user.name, passwordHash: user.passwordHash, isAdministrator: user.isAdministrator },
        ),
      { idempotent: true },
    );
  }
}
