import type { OrganizationName } from '@breakwater/registry-core';
import { parseOrganizationName } from '@breakwater/registry-core';
import type { OrganizationRole, OrganizationRoles, RegistryUser, RobotRole, UserDirectory } from './users.js';

/** An account for programs, of one organization. It signs in as `<organization>+<name>`, as Quay's do. */
export interface Robot {
  readonly organization: OrganizationName;
  readonly name: string;
  readonly role: RobotRole;
  readonly description: string;
  /** ms since the epoch. */
  readonly createdAt: number;
}

/** Where robots are looked up. */
export interface RobotDirectory {
  find(organization: OrganizationName, name: string): Promise<(Robot & { readonly passwordHash: string }) | undefined>;
}

const NAME = /^[a-z][a-z0-9_]{1,254}$/;

/** The short name of a robot, as Quay has them; `undefined` when the text cannot be one. */
export function parseRobotName(text: string): string | undefined {
  return NAME.test(text) ? text : undefined;
}

/** What a robot signs in as. */
export function robotUserName({ organization, name }: Pick<Robot, 'organization' | 'name'>): string {
  return `${organization}+${name}`;
}

function parseRobotUser(user: string): { readonly organization: OrganizationName; readonly name: string } | undefined {
  const plus = user.indexOf('+');
  if (plus === -1) return undefined;
  const organization = parseOrganizationName(user.slice(0, plus));
  const name = parseRobotName(user.slice(plus + 1));
  return organization === undefined || name === undefined ? undefined : { organization, name };
}

/** People and robots alike, for whoever verifies passwords. A name with a plus is a robot's. */
export function withRobots(people: UserDirectory, robots: RobotDirectory): UserDirectory {
  return {
    async find(name): Promise<RegistryUser | undefined> {
      if (!name.includes('+')) return people.find(name);
      const parsed = parseRobotUser(name);
      const robot = parsed && (await robots.find(parsed.organization, parsed.name));
      return robot && { name, passwordHash: robot.passwordHash, isAdministrator: false };
    },
  };
}

/** Roles of people and robots alike. A robot has one in its own organization only. */
export function withRobotRoles(people: OrganizationRoles, robots: RobotDirectory): OrganizationRoles {
  return {
    async role(organization, user): Promise<OrganizationRole | RobotRole | undefined> {
      if (!user.includes('+')) return people.role(organization, user);
      const parsed = parseRobotUser(user);
      if (parsed === undefined || parsed.organization !== organization) return undefined;
      return (await robots.find(organization, parsed.name))?.role;
    },
  };
}
