import { type Clock, callDatabase, type OrganizationName } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { Robot, RobotDirectory } from '../access/robots.js';
import type { RobotRole } from '../access/users.js';
import { selectRows } from './sql.js';

interface RobotRow {
  readonly organization: OrganizationName;
  readonly name: string;
  readonly role: RobotRole;
  readonly description: string;
  readonly password_hash: string;
  readonly created_at: string;
}

/** Robots, in Postgres. Every method throws RegistryError UNAVAILABLE without the database. */
export class PostgresRobots implements RobotDirectory {
  readonly #database: Knex;
  readonly #clock: Clock;

  constructor(options: { readonly database: Knex; readonly clock: Clock }) {
    this.#database = options.database;
    this.#clock = options.clock;
  }

  async find(
    organization: OrganizationName,
    name: string,
  ): Promise<(Robot & { readonly passwordHash: string }) | undefined> {
    const [row] = await this.#run<RobotRow>(
      'SELECT * FROM robot_account WHERE organization = :organization AND name = :name',
      { organization, name },
    );
    return row && { ...robotOf(row), passwordHash: row.password_hash };
  }

  /** Robots of an organization after one, by name. */
  async list(
    organization: OrganizationName,
    { last = '', limit }: { readonly last: string | undefined; readonly limit: number },
  ): Promise<readonly Robot[]> {
    const rows = await this.#run<RobotRow>(
      `SELECT * FROM robot_account WHERE organization = :organization AND name > :last ORDER BY name LIMIT :limit`,
      { organization, last, limit },
    );
    return rows.map(robotOf);
  }

  /** Makes a robot; `exists` when there is one of that name, which is left as it was. */
  async create(robot: Omit<Robot, 'createdAt'>, passwordHash: string): Promise<'created' | 'exists'> {
    // Not repeated after a lost connection: the second try could not tell its own row from another's.
    const rows = await callDatabase(() =>
      selectRows(
        this.#database,
        `INSERT INTO robot_account (organization, name, role, description, password_hash, created_at)
         VALUES (:organization, :name, :role, :description, :passwordHash, :at)
         ON CONFLICT DO NOTHING RETURNING name`,
        { ...robot, passwordHash, at: this.#clock.now() },
      ),
    );
    return rows.length > 0 ? 'created' : 'exists';
  }

  /** Gives a robot another password; false when there is no such robot. */
  async setPassword(organization: OrganizationName, name: string, passwordHash: string): Promise<boolean> {
    const rows = await this.#run(
      `WITH changed AS (UPDATE access_change SET number = number + 1)
       UPDATE robot_account SET password_hash = :passwordHash
        WHERE organization = :organization AND name = :name RETURNING name`,
      { organization, name, passwordHash },
    );
    return rows.length > 0;
  }

  /** False when there is no such robot. */
  async remove(organization: OrganizationName, name: string): Promise<boolean> {
    const rows = await this.#run(
      `WITH changed AS (UPDATE access_change SET number = number + 1)
       DELETE FROM robot_account WHERE organization = :organization AND name = :name RETURNING name`,
      { organization, name },
    );
    return rows.length > 0;
  }

  #run<Row>(sql: string, bindings: Readonly<Record<string, Knex.RawBinding>>): Promise<readonly Row[]> {
    return callDatabase(() => selectRows<Row>(this.#database, sql, bindings), { idempotent: true });
  }
}

function robotOf(row: RobotRow): Robot {
  const { organization, name, role, description, created_at } = row;
  return { organization, name, role, description, createdAt: Number(created_at) };
}
