import { randomBytes } from 'node:crypto';
import type { OrganizationName } from '@breakwater/registry-core';
import {
  ApiError,
  type ApiOperation,
  pageToken,
  readFields,
  readPageToken,
  readQuery,
} from '@breakwater/registry-http';
import { z } from 'zod';
import { hashPassword } from '../access/password.js';
import { parseRobotName, type Robot, robotUserName } from '../access/robots.js';
import type { PostgresRobots } from '../postgres/postgres-robots.js';
import { nextPage, pageOf, pageQuery } from './names.js';
import type { OrganizationAudit } from './organization-operations.js';

export interface RobotOperationParts {
  readonly robots: PostgresRobots;
  /** Where is written down what was done: before it is, so that nothing is done that nobody knows of. */
  readonly audit: OrganizationAudit;
  /** Hears that rights changed. */
  readonly onChanged: () => void;
}

const HOME = '/api/v1/organization/{orgname}/robots';
const role = z.enum(['read', 'write']).meta({ description: 'read = pull; write = pull, push and delete' });
const robotView = z.strictObject({
  name: z.string().meta({ description: 'what it signs in as: organization+name' }),
  role,
  description: z.string(),
  created: z.iso.datetime(),
});
const robotWithToken = robotView.extend({
  token: z.string().meta({ description: 'its password; shown this once' }),
});
const newRobot = z.strictObject({ role: role.default('read'), description: z.string().max(255).default('') });

/** Robots of an organization; paths and names as Quay's. */
export function robotOperations({ robots, audit, onChanged }: RobotOperationParts): readonly ApiOperation[] {
  async function mustFind(organization: OrganizationName, name: string): Promise<Robot> {
    const robot = await robots.find(organization, name);
    if (robot === undefined) throw noRobot(name);
    return robot;
  }

  return [
    {
      id: 'getOrgRobots',
      method: 'GET',
      path: HOME,
      summary: 'Lists the robots of an organization.',
      right: 'write-settings',
      query: pageQuery,
      answers: {
        200: {
          description: 'robots by name',
          body: z.strictObject({ robots: z.array(robotView), next_page: nextPage }),
        },
      },
      async handle({ organization, query }) {
        const { limit, next_page } = readQuery(pageQuery, query);
        const last = readPageToken(next_page, 1)?.[0];
        const { page, more } = pageOf(await robots.list(organization, { last, limit: limit + 1 }), limit);
        const next = more ? { next_page: pageToken([page.at(-1)?.name ?? '']) } : {};
        return { status: 200, body: { robots: page.map(viewOf), ...next } };
      },
    },
    {
      id: 'getOrgRobot',
      method: 'GET',
      path: `${HOME}/{robot_shortname}`,
      summary: 'Shows a robot, without its password.',
      right: 'write-settings',
      answers: { 200: { description: 'the robot', body: robotView } },
      async handle({ organization, path }) {
        return { status: 200, body: viewOf(await mustFind(organization, path['robot_shortname'] ?? '')) };
      },
    },
    {
      id: 'createOrgRobot',
      method: 'PUT',
      path: `${HOME}/{robot_shortname}`,
      summary: 'Makes a robot and shows its password, this once.',
      right: 'write-settings',
      body: newRobot,
      bodyOptional: true,
      answers: { 201: { description: 'made', body: robotWithToken } },
      async handle({ organization, principal, path, body }) {
        const name = parseRobotName(path['robot_shortname'] ?? '');
        if (name === undefined) {
          const detail =
            'a robot has a name of lower-case letters, digits and _, two at least, that begins with a letter';
          throw new ApiError('INVALID', { detail });
        }
        const given = readFields(newRobot, body ?? {});
        const token = newToken();
        const exists = () => {
          const detail = `Existing robot with name: ${robotUserName({ organization, name })}`;
          return new ApiError('INVALID', { detail });
        };
        if ((await robots.find(organization, name)) !== undefined) throw exists();
        const changes = { robot: name, role: given.role };
        await audit.record(organization, { kind: 'create_robot', performedBy: principal.name, changes });
        const made = await robots.create({ organization, name, ...given }, await hashPassword(token));
        if (made === 'exists') throw exists();
        onChanged();
        return { status: 201, body: { ...viewOf(await mustFind(organization, name)), token } };
      },
    },
    {
      id: 'regenerateOrgRobotToken',
      method: 'POST',
      path: `${HOME}/{robot_shortname}/regenerate`,
      summary: 'Gives a robot another password and shows it, this once.',
      right: 'write-settings',
      answers: { 200: { description: 'the robot with its new password', body: robotWithToken } },
      async handle({ organization, principal, path }) {
        const { name } = await mustFind(organization, path['robot_shortname'] ?? '');
        const token = newToken();
        const entry = { kind: 'regenerate_robot_token', performedBy: principal.name, changes: { robot: name } };
        await audit.record(organization, entry);
        if (!(await robots.setPassword(organization, name, await hashPassword(token)))) throw noRobot(name);
        onChanged();
        return { status: 200, body: { ...viewOf(await mustFind(organization, name)), token } };
      },
    },
    {
      id: 'deleteOrgRobot',
      method: 'DELETE',
      path: `${HOME}/{robot_shortname}`,
      summary: 'Removes a robot.',
      right: 'write-settings',
      answers: { 204: { description: 'it is gone' } },
      async handle({ organization, principal, path }) {
        const { name } = await mustFind(organization, path['robot_shortname'] ?? '');
        const entry = { kind: 'delete_robot', performedBy: principal.name, changes: { robot: name } };
        await audit.record(organization, entry);
        if (!(await robots.remove(organization, name))) throw noRobot(name);
        onChanged();
        return { status: 204 };
      },
    },
  ];
}

function newToken(): string {
  return randomBytes(48).toString('base64url');
}

function viewOf(robot: Robot): z.infer<typeof robotView> {
  const { role, description, createdAt } = robot;
  return { name: robotUserName(robot), role, description, created: new Date(createdAt).toISOString() };
}

function noRobot(name: string): ApiError {
  return new ApiError('NOT_FOUND', { detail: `Not Found: there is no robot ${JSON.stringify(name.slice(0, 255))}` });
}
