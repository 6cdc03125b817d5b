import { randomBytes } from 'node:crypto';
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
import type { AccountChanges } from '../postgres/account-changes.js';
import type { ListedUser, PostgresUsers } from '../postgres/postgres-users.js';
import { by, isoTime, newPassword, nextPage, pageOf, pageQuery, userName } from './names.js';

export interface SuperuserOperationParts {
  readonly users: Pick<PostgresUsers, 'list' | 'show' | 'find'>;
  readonly accounts: AccountChanges;
  /** Whether an organization has the name that a user wants. */
  readonly isOrganization: (name: string) => Promise<boolean>;
  /** The name of the user that every start makes sure of. */
  readonly seededUser: string;
  /** Hears that rights or passwords changed. */
  readonly onChanged: () => void;
}

const userView = z.strictObject({
  kind: z.literal('user'),
  username: z.string(),
  super_user: z.boolean(),
  created: z.iso.datetime().nullable(),
});
/** Loose, because Quay's clients send an email as well. */
const newUser = z.looseObject({
  username: userName,
  password: newPassword.optional().meta({ description: 'absent = one is generated' }),
  super_user: z.boolean().default(false),
});
const userChange = z.strictObject({ password: newPassword.optional(), super_user: z.boolean().optional() });

/** Users, for administrators of the registry. */
export function superuserOperations(parts: SuperuserOperationParts): readonly ApiOperation[] {
  const { users, accounts } = parts;
  return [
    {
      id: 'listAllUsers',
      method: 'GET',
      path: '/api/v1/superuser/users/',
      summary: 'Lists all users.',
      right: 'administer',
      query: pageQuery,
      answers: {
        200: {
          description: 'users by name',
          body: z.strictObject({ users: z.array(userView), next_page: nextPage }),
        },
      },
      async handle({ query }) {
        const { limit, next_page } = readQuery(pageQuery, query);
        const last = readPageToken(next_page, 1)?.[0];
        const { page, more } = pageOf(await users.list({ last, limit: limit + 1 }), limit);
        const next = more ? { next_page: pageToken([page.at(-1)?.name ?? '']) } : {};
        return { status: 200, body: { users: page.map(viewOf), ...next } };
      },
    },
    {
      id: 'createInstallUser',
      method: 'POST',
      path: '/api/v1/superuser/users/',
      summary: 'Makes a user.',
      right: 'administer',
      body: newUser,
      answers: {
        200: {
          description: 'the user; a generated password is shown this once',
          body: z.strictObject({ username: z.string(), password: z.string().optional() }),
        },
      },
      async handle({ body, principal, request }) {
        const given = readFields(newUser, body);
        const password = given.password ?? randomBytes(18).toString('base64url');
        const user = {
          name: given.username,
          passwordHash: await hashPassword(password),
          isAdministrator: given.super_user,
        };
        const details = { username: user.name, super_user: user.isAdministrator };
        const create = () =>
          accounts.run(async (within) => {
            if ((await within.users.create(user)) === 'exists') return 'exists';
            await within.log.record({ kind: 'user_create', ...by(principal, request), details });
            return 'created';
          });
        if ((await parts.isOrganization(user.name)) || (await create()) === 'exists') {
          throw new ApiError('INVALID', { detail: 'A user or organization with this name already exists' });
        }
        parts.onChanged();
        return { status: 200, body: { username: user.name, ...(given.password === undefined ? { password } : {}) } };
      },
    },
    {
      id: 'getInstallUser',
      method: 'GET',
      path: '/api/v1/superuser/users/{username}',
      summary: 'Shows a user.',
      right: 'administer',
      answers: { 200: { description: 'the user', body: userView } },
      async handle({ path }) {
        const user = await users.show(path['username'] ?? '');
        if (user === undefined) throw noUser();
        return { status: 200, body: viewOf(user) };
      },
    },
    {
      id: 'changeInstallUser',
      method: 'PUT',
      path: '/api/v1/superuser/users/{username}',
      summary: "Sets a user's password, or makes them administrator or not; their sessions end.",
      right: 'administer',
      body: userChange,
      answers: { 200: { description: 'the user', body: userView } },
      async handle({ path, body, principal, request }) {
        const change = readFields(userChange, body);
        const user = await users.find(path['username'] ?? '');
        if (user === undefined) throw noUser();
        const next = {
          name: user.name,
          passwordHash: change.password === undefined ? user.passwordHash : await hashPassword(change.password),
          isAdministrator: change.super_user ?? user.isAdministrator,
        };
        const details = {
          username: user.name,
          password_changed: change.password !== undefined,
          super_user: next.isAdministrator,
        };
        await accounts.run(async (within) => {
          if (!(await within.users.change(next))) return;
          await within.log.record({ kind: 'user_change', ...by(principal, request), details });
        });
        parts.onChanged();
        const changed = await users.show(user.name);
        if (changed === undefined) throw noUser();
        return { status: 200, body: viewOf(changed) };
      },
    },
    {
      id: 'deleteInstallUser',
      method: 'DELETE',
      path: '/api/v1/superuser/users/{username}',
      summary: 'Deletes a user with their roles, sessions and API tokens.',
      right: 'administer',
      answers: { 204: { description: 'deleted' } },
      async handle({ path, principal, request }) {
        const name = path['username'] ?? '';
        if (name === principal.name) {
          throw new ApiError('INVALID', { detail: 'You cannot delete yourself; another administrator can' });
        }
        if (name === parts.seededUser) {
          const detail = `${name} cannot be deleted: every start makes sure that there is one; change its password instead`;
          throw new ApiError('INVALID', { detail });
        }
        const remove = () =>
          accounts.run(async (within) => {
            if (!(await within.users.remove(name))) return false;
            await within.log.record({ kind: 'user_delete', ...by(principal, request), details: { username: name } });
            return true;
          });
        if (name.includes('\0') || !(await remove())) throw noUser();
        parts.onChanged();
        return { status: 204 };
      },
    },
  ];
}

function viewOf(user: ListedUser): z.input<typeof userView> {
  return {
    kind: 'user',
    username: user.name,
    super_user: user.isAdministrator,
    created: isoTime(user.createdAt),
  };
}

function noUser(): ApiError {
  return new ApiError('NOT_FOUND', { detail: 'Not Found: there is no user of this name' });
}
