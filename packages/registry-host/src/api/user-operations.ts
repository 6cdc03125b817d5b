import type { ProxyCacheSettingsReader } from '@breakwater/registry-core';
import {
  ApiError,
  type ApiOperation,
  invalidRequest,
  pageToken,
  readFields,
  readPageToken,
  readQuery,
} from '@breakwater/registry-http';
import { z } from 'zod';
import type { ApiToken } from '../access/api-tokens.js';
import type { CredentialVerifier } from '../access/credential-verifier.js';
import { hashPassword } from '../access/password.js';
import type { UserDirectory } from '../access/users.js';
import type { AccountChanges } from '../postgres/account-changes.js';
import type { PostgresApiTokens } from '../postgres/postgres-api-tokens.js';
import type { PostgresMembers } from '../postgres/postgres-members.js';
import { by, isoTime, newPassword, nextPage, pageOf, pageQuery } from './names.js';
import { listOrganizations, organizationView } from './organization-list.js';

export interface UserOperationParts {
  readonly users: UserDirectory;
  readonly verifier: CredentialVerifier;
  readonly members: Pick<PostgresMembers, 'memberships' | 'everything'>;
  readonly settings: ProxyCacheSettingsReader;
  readonly accounts: AccountChanges;
  readonly tokenRows: PostgresApiTokens;
  /** Hears that rights or passwords changed. */
  readonly onChanged: () => void;
}

const userView = z.strictObject({
  anonymous: z.literal(false),
  username: z.string(),
  super_user: z.boolean(),
  organizations: z.array(organizationView).meta({ description: 'organizations in which they have a role, by name' }),
  next_page: nextPage,
});
const passwordChange = z.strictObject({ current_password: z.string(), password: newPassword });
const tokenView = z.strictObject({
  uuid: z.string(),
  title: z.string(),
  created: z.iso.datetime(),
  expiration: z.iso.datetime().nullable(),
  last_accessed: z.iso.datetime().nullable().meta({ description: 'at most an hour late' }),
});
const newToken = z.strictObject({
  title: z.string().min(1).max(255),
  expires_in_s: z.int().min(60).max(315_360_000).nullable().optional().meta({ description: 'null or absent = never' }),
});

/** What everybody may do about themselves. */
export function userOperations(parts: UserOperationParts): readonly ApiOperation[] {
  const { users, verifier, accounts, tokenRows } = parts;
  return [
    {
      id: 'getLoggedInUser',
      method: 'GET',
      path: '/api/v1/user/',
      summary: 'Says who is signed in, and what they are in which organizations.',
      right: 'signed-in',
      query: pageQuery,
      answers: { 200: { description: 'who is signed in', body: userView } },
      async handle({ principal, query }) {
        const user = await users.find(principal.name);
        const page = await listOrganizations(parts, principal.name, false, readQuery(pageQuery, query));
        const facts = { anonymous: false, username: principal.name, super_user: user?.isAdministrator ?? false };
        return { status: 200, body: { ...facts, ...page } };
      },
    },
    {
      id: 'changeUserDetails',
      method: 'PUT',
      path: '/api/v1/user/',
      summary: 'Changes the password of whoever is signed in; their sessions end.',
      right: 'signed-in',
      body: passwordChange,
      answers: { 200: { description: 'changed', body: z.strictObject({ username: z.string() }) } },
      async handle({ principal, request, body }) {
        const given = readFields(passwordChange, body);
        const address = request.socket.remoteAddress ?? '';
        const user = await verifier.verify({ username: principal.name, password: given.current_password }, address);
        if (user === undefined) {
          throw invalidRequest([{ field: 'current_password', message: 'is not the present password' }]);
        }
        const next = { ...user, passwordHash: await hashPassword(given.password) };
        await accounts.run(async (within) => {
          if (!(await within.users.change(next))) throw notForRobots();
          await within.log.record({ kind: 'user_change_password', ...by(principal, request), details: {} });
        });
        parts.onChanged();
        return { status: 200, body: { username: principal.name } };
      },
    },
    {
      id: 'listAppTokens',
      method: 'GET',
      path: '/api/v1/user/apptoken',
      summary: 'Lists the API tokens of whoever is signed in.',
      right: 'signed-in',
      query: pageQuery,
      answers: {
        200: {
          description: 'the tokens, without their secrets',
          body: z.strictObject({ tokens: z.array(tokenView), next_page: nextPage }),
        },
      },
      async handle({ principal, query }) {
        const { limit, next_page } = readQuery(pageQuery, query);
        const last = readPageToken(next_page, 1)?.[0];
        const { page, more } = pageOf(await tokenRows.list(principal.name, { last, limit: limit + 1 }), limit);
        const next = more ? { next_page: pageToken([page.at(-1)?.id ?? '']) } : {};
        return { status: 200, body: { tokens: page.map(viewOf), ...next } };
      },
    },
    {
      id: 'createAppToken',
      method: 'POST',
      path: '/api/v1/user/apptoken',
      summary: 'Makes an API token, to be sent as Authorization: Bearer.',
      right: 'signed-in',
      body: newToken,
      answers: {
        200: {
          description: 'the token; its token_code is shown this once',
          body: z.strictObject({ token: tokenView.extend({ token_code: z.string() }) }),
        },
      },
      async handle({ principal, request, body }) {
        const { title, expires_in_s } = readFields(newToken, body);
        const made = await accounts.run(async (within) => {
          const created = await within.tokens.create(principal.name, title, expires_in_s ?? undefined);
          if (created === undefined) throw notForRobots();
          const details = { uuid: created.token.id, title, expiration: isoTime(created.token.expiresAt) };
          await within.log.record({ kind: 'create_app_specific_token', ...by(principal, request), details });
          return created;
        });
        const { token, text } = made;
        return { status: 200, body: { token: { ...viewOf(token), token_code: text } } };
      },
    },
    {
      id: 'getAppToken',
      method: 'GET',
      path: '/api/v1/user/apptoken/{token_uuid}',
      summary: 'Shows an API token, without its secret.',
      right: 'signed-in',
      answers: { 200: { description: 'the token', body: z.strictObject({ token: tokenView }) } },
      async handle({ principal, path }) {
        const token = await tokenRows.findOf(principal.name, path['token_uuid'] ?? '');
        if (token === undefined) throw new ApiError('NOT_FOUND', { detail: 'Not Found: you have no such token' });
        return { status: 200, body: { token: viewOf(token) } };
      },
    },
    {
      id: 'revokeAppToken',
      method: 'DELETE',
      path: '/api/v1/user/apptoken/{token_uuid}',
      summary: 'Revokes an API token.',
      right: 'signed-in',
      answers: { 204: { description: 'revoked' } },
      async handle({ principal, request, path }) {
        const uuid = path['token_uuid'] ?? '';
        const revoked = await accounts.run(async (within) => {
          if (!(await within.tokenRows.remove(principal.name, uuid))) return false;
          await within.log.record({ kind: 'revoke_app_specific_token', ...by(principal, request), details: { uuid } });
          return true;
        });
        if (!revoked) {
          throw new ApiError('NOT_FOUND', { detail: 'Not Found: you have no such token' });
        }
        parts.onChanged();
        return { status: 204 };
      },
    },
  ];
}

function viewOf(token: ApiToken): z.input<typeof tokenView> {
  return {
    uuid: token.id,
    title: token.title,
    created: new Date(token.createdAt).toISOString(),
    expiration: isoTime(token.expiresAt),
    last_accessed: isoTime(token.lastUsedAt),
  };
}

function notForRobots(): ApiError {
  const detail = 'Unauthorized: a robot has one password, which an admin of its organization can make anew';
  return new ApiError('FORBIDDEN', { detail });
}
