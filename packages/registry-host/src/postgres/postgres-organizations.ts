import { type Clock, callDatabase, type OrganizationName } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import { selectRows } from './sql.js';

/** A page of organizations in byte order of their names. */
export interface OrganizationPage {
  readonly names: readonly OrganizationName[];
  readonly more: boolean;
}

/** The organizations of the registry, in Postgres. Every method throws RegistryError UNAVAILABLE without the database. */
export class PostgresOrganizations {
  readonly #database: Knex;
  readonly #clock: Clock;

  constructor(options: { readonly database: Knex; readonly clock: Clock }) {
    this.#database = options.database;
    this.#clock = options.clock;
  }

  async exists(name: OrganizationName): Promise<boolean> {
    const rows = await callDatabase(
      () => selectRows(this.#database, 'SELECT name FROM organization WHERE name = :name', { name }),
      { idempotent: true },
    );
    return rows.length > 0;
  }

  /** `exists` when there was one of that name already; it is left as it was. */
  async create(name: OrganizationName): Promise<'created' | 'exists'> {
    // Not repeated after a lost connection: the second try could not tell its own row from another's.
    const rows = await callDatabase(() =>
      selectRows(
        this.#database,
        'INSERT INTO organization (name, created_at) VALUES (:name, :at) ON CONFLICT DO NOTHING RETURNING name',
        { name, at: this.#clock.now() },
      ),
    );
    return rows.length > 0 ? 'created' : 'exists';
  }

  /** Names after `last`, at most `limit`. */
  async list(page: { readonly last: string | undefined; readonly limit: number }): Promise<OrganizationPage> {
    const rows = await callDatabase(
      () =>
        selectRows<{ name: OrganizationName }>(
          this.#database,
          'SELECT name FROM organization WHERE name > :last ORDER BY name LIMIT :limit',
          { last: page.last ?? '', limit: page.limit + 1 },
        ),
      { idempotent: true },
    );
    return { names: rows.slice(0, page.limit).map((row) => row.name), more: rows.length > page.limit };
  }
}
