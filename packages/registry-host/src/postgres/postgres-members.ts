import { callDatabase, type OrganizationName } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { OrganizationRole, OrganizationRoles } from '../access/users.js';
import { selectRows } from './sql.js';

/** Somebody with a role in an organization. */
export interface Member {
  readonly name: string;
  readonly role: OrganizationRole;
}

/** An organization and what somebody is in it. */
export interface Membership {
  readonly organization: OrganizationName;
  /** `undefined` for an administrator of the registry, who needs none. */
  readonly role: OrganizationRole | undefined;
}

interface Page {
  /** Name after which the page begins. */
  readonly last: string | undefined;
  readonly limit: number;
}

/** Who is what in which organization, in Postgres. Every method throws RegistryError UNAVAILABLE without the database. */
export class PostgresMembers implements OrganizationRoles {
  readonly #database: Knex;

  constructor(options: { readonly database: Knex }) {
    this.#database = options.database;
  }

  async role(organization: OrganizationName, user: string): Promise<OrganizationRole | undefined> {
    if (user.includes('\0')) return undefined;
    const [row] = await this.#select<{ role: OrganizationRole }>(
      'SELECT role FROM organization_member WHERE organization = :organization AND user_name = :user',
      { organization, user },
    );
    return row?.role;
  }

  /** Members of an organization, by name. */
  list(organization: OrganizationName, { last = '', limit }: Page): Promise<readonly Member[]> {
    return this.#select<Member>(
      `SELECT user_name AS name, role FROM organization_member
       WHERE organization = :organization AND user_name > :last ORDER BY user_name LIMIT :limit`,
      { organization, last, limit },
    );
  }

  /** The organizations in which somebody has a role, by name. */
  memberships(user: string, { last = '', limit }: Page): Promise<readonly Membership[]> {
    return this.#select<Membership>(
      `SELECT organization, role FROM organization_member
       WHERE user_name = :user AND organization > :last ORDER BY organization LIMIT :limit`,
      { user, last, limit },
    );
  }

  /** All organizations, by name, with the role that somebody has in them. */
  everything(user: string, { last = '', limit }: Page): Promise<readonly Membership[]> {
    return this.#select<Membership>(
      `SELECT o.name AS organization, m.role FROM organization o
       LEFT JOIN organization_member m ON m.organization = o.name AND m.user_name = :user
       WHERE o.name > :last ORDER BY o.name LIMIT :limit`,
      { user, last, limit },
    );
  }

  /** Gives somebody a role; false when there is no such user. */
  async put(organization: OrganizationName, user: string, role: OrganizationRole): Promise<boolean> {
    if (user.includes('\0')) return false;
    const rows = await this.#select(
      `WITH changed AS (UPDATE access_change SET number = number + 1)
       INSERT INTO organization_member (organization, user_name, role)
       SELECT :organization, name, :role FROM registry_user WHERE name = :user
       ON CONFLICT (organization, user_name) DO UPDATE SET role = excluded.role RETURNING role`,
      { organization, user, role },
    );
    return rows.length > 0;
  }

  /** Takes somebody's role away; false when they had none. */
  async remove(organization: OrganizationName, user: string): Promise<boolean> {
    if (user.includes('\0')) return false;
    const rows = await this.#select(
      `WITH changed AS (UPDATE access_change SET number = number + 1)
       DELETE FROM organization_member WHERE organization = :organization AND user_name = :user RETURNING role`,
      { organization, user },
    );
    return rows.length > 0;
  }

  /** The number that every change of rights raises. */
  async changeNumber(): Promise<string> {
    const [row] = await this.#select<{ number: string }>('SELECT number FROM access_change', {});
    return String(row?.number);
  }

  #select<Row>(sql: string, bindings: Readonly<Record<string, Knex.RawBinding>>): Promise<readonly Row[]> {
    return callDatabase(() => selectRows<Row>(this.#database, sql, bindings), { idempotent: true });
  }
}
