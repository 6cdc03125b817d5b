import type { OrganizationName } from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';
import type { OrganizationRole, OrganizationRoles, RobotRole } from './users.js';

const REMEMBERED = 50_000;

/** Roles, looked up once and remembered until `forget`: pulls of cached images ask nobody, and outlive the database. */
export class RememberedRoles implements OrganizationRoles {
  readonly #roles = new LRUCache<string, { readonly role: OrganizationRole | RobotRole | undefined }>({
    max: REMEMBERED,
  });
  /** Tells a look-up that what it read may be from before the last change. */
  #generation = 0;

  constructor(private readonly directory: OrganizationRoles) {}

  async role(organization: OrganizationName, user: string): Promise<OrganizationRole | RobotRole | undefined> {
    // No name of an organization holds a line feed.
    const key = `${organization}\n${user}`;
    const remembered = this.#roles.get(key);
    if (remembered !== undefined) return remembered.role;
    const generation = this.#generation;
    const role = await this.directory.role(organization, user);
    if (generation === this.#generation) this.#roles.set(key, { role });
    return role;
  }

  /** Forgets everything, because rights may have changed. */
  forget(): void {
    this.#generation += 1;
    this.#roles.clear();
  }
}
