import type { OrganizationName } from '@breakwater/registry-core';

/** Somebody who may sign in. */
export interface RegistryUser {
  readonly name: string;
  /** As `hashPassword` made it. */
  readonly passwordHash: string;
  /** Administrators may do everything. */
  readonly isAdministrator: boolean;
}

/** Where the users are looked up. */
export interface UserDirectory {
  /** `undefined` when there is no such user. Failures throw. */
  find(name: string): Promise<RegistryUser | undefined>;
}

/** What somebody is in an organization: admins write settings and content, members read both. */
export type OrganizationRole = 'admin' | 'member';

/** What a robot may do with the content of its organization. */
export type RobotRole = 'read' | 'write';

/** Where it is looked up who is what in an organization. */
export interface OrganizationRoles {
  /** `undefined` for somebody who has no role there. Failures throw. */
  role(organization: OrganizationName, user: string): Promise<OrganizationRole | RobotRole | undefined>;
}
