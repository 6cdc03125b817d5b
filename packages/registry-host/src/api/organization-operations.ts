import {
  type Access,
  type OrganizationName,
  type ProxyCacheSettingsReader,
  parseOrganizationName,
} from '@breakwater/registry-core';
import {
  ApiError,
  type ApiOperation,
  pageToken,
  readFields,
  readPageToken,
  readQuery,
} from '@breakwater/registry-http';
import { z } from 'zod';
import type { PostgresMembers } from '../postgres/postgres-members.js';
import { nextPage, pageOf, pageQuery } from './names.js';
import { listOrganizations, organizationView, viewOf } from './organization-list.js';

/** Where organizations are made. */
export interface OrganizationCreation {
  create(name: OrganizationName): Promise<'created' | 'exists'>;
}

/** Where is written down what was done to an organization. */
export interface OrganizationAudit {
  record(
    organization: OrganizationName,
    entry: { readonly kind: string; readonly performedBy: string; readonly changes: Readonly<Record<string, unknown>> },
  ): Promise<void>;
}

export interface OrganizationOperationParts {
  readonly access: Access;
  readonly organizations: OrganizationCreation;
  readonly members: PostgresMembers;
  /** Whether a user has the name that an organization is to have. */
  readonly isUser: (name: string) => Promise<boolean>;
  readonly settings: ProxyCacheSettingsReader;
  /** Where changes of roles are written down, before they are made: nothing is done that nobody knows of. */
  readonly audit: OrganizationAudit;
  /** Hears that rights changed. */
  readonly onChanged: () => void;
}

const NAME_RULE =
  'must be a text of lower-case letters and digits, parted by . _ or -, for example {"name": "dockerhub"}';
/** Loose, because Quay's clients send an email as well. */
const newOrganization = z.looseObject({
  name: z.string({ error: NAME_RULE }).transform((text, context) => {
    const name = parseOrganizationName(text);
    if (name !== undefined) return name;
    context.addIssue({ code: 'custom', message: NAME_RULE });
    return z.NEVER;
  }),
});
const role = z.enum(['admin', 'member']);
const memberView = z.strictObject({ name: z.string(), kind: z.literal('user'), role });
const newRole = z.strictObject({ role });

/** Organizations and their members. */
export function organizationOperations(parts: OrganizationOperationParts): readonly ApiOperation[] {
  const { access, organizations, members, settings } = parts;
  const mayAdminister = (principal: { readonly name: string }) => access.authorize(principal, 'administer', {});
  return [
    {
      id: 'createOrganization',
      method: 'POST',
      path: '/api/v1/organization/',
      summary: 'Makes an organization.',
      right: 'administer',
      body: newOrganization,
      answers: { 201: { description: 'made', body: z.literal('Created') } },
      async handle({ body }) {
        const { name } = readFields(newOrganization, body);
        if ((await parts.isUser(name)) || (await organizations.create(name)) === 'exists') {
          throw new ApiError('INVALID', { detail: 'A user or organization with this name already exists' });
        }
        return { status: 201, body: 'Created' };
      },
    },
    {
      id: 'listOrganizations',
      method: 'GET',
      path: '/api/v1/organizations',
      summary: 'Lists the organizations that one sees: administrators all, others the ones in which they have a role.',
      right: 'signed-in',
      query: pageQuery,
      answers: {
        200: {
          description: 'organizations by name',
          body: z.strictObject({ organizations: z.array(organizationView), next_page: nextPage }),
        },
      },
      async handle({ principal, query }) {
        const page = readQuery(pageQuery, query);
        const seesAll = await mayAdminister(principal);
        return { status: 200, body: await listOrganizations(parts, principal.name, seesAll, page) };
      },
    },
    {
      id: 'getOrganization',
      method: 'GET',
      path: '/api/v1/organization/{orgname}',
      summary: 'Shows an organization, and what one is in it.',
      right: 'read-settings',
      answers: {
        200: {
          description: 'the organization',
          body: organizationView.extend({ is_admin: z.boolean(), is_member: z.boolean() }),
        },
      },
      async handle({ organization, principal }) {
        const known = await members.role(organization, principal.name);
        const view = await viewOf(settings, { organization, role: known }, await mayAdminister(principal));
        return { status: 200, body: { ...view, is_admin: view.is_org_admin, is_member: known !== undefined } };
      },
    },
    {
      id: 'getOrganizationMembers',
      method: 'GET',
      path: '/api/v1/organization/{orgname}/members',
      summary: 'Lists who has a role in an organization.',
      right: 'write-settings',
      query: pageQuery,
      answers: {
        200: {
          description: 'members by name',
          body: z.strictObject({ members: z.array(memberView), next_page: nextPage }),
        },
      },
      async handle({ organization, query }) {
        const { limit, next_page } = readQuery(pageQuery, query);
        const last = readPageToken(next_page, 1)?.[0];
        const { page, more } = pageOf(await members.list(organization, { last, limit: limit + 1 }), limit);
        const next = more ? { next_page: pageToken([page.at(-1)?.name ?? '']) } : {};
        return { status: 200, body: { members: page.map((each) => ({ ...each, kind: 'user' })), ...next } };
      },
    },
    {
      id: 'getOrganizationMember',
      method: 'GET',
      path: '/api/v1/organization/{orgname}/members/{membername}',
      summary: 'Shows what somebody is in an organization.',
      right: 'write-settings',
      answers: { 200: { description: 'the member', body: memberView } },
      async handle({ organization, path }) {
        const name = path['membername'] ?? '';
        const known = await members.role(organization, name);
        if (known === undefined) throw noMember(name);
        return { status: 200, body: { name, kind: 'user', role: known } };
      },
    },
    {
      id: 'putOrganizationMember',
      method: 'PUT',
      path: '/api/v1/organization/{orgname}/members/{membername}',
      summary: 'Gives a user a role in an organization, or another one.',
      right: 'write-settings',
      body: newRole,
      answers: { 200: { description: 'the member', body: memberView } },
      async handle({ organization, principal, path, body }) {
        const name = path['membername'] ?? '';
        const wanted = readFields(newRole, body);
        const noUser = () => new ApiError('NOT_FOUND', { detail: 'Not Found: there is no user of this name' });
        if (!(await parts.isUser(name))) throw noUser();
        const changes = { member: name, role: wanted.role };
        await parts.audit.record(organization, { kind: 'org_set_member_role', performedBy: principal.name, changes });
        if (!(await members.put(organization, name, wanted.role))) throw noUser();
        parts.onChanged();
        return { status: 200, body: { name, kind: 'user', role: wanted.role } };
      },
    },
    {
      id: 'removeOrganizationMember',
      method: 'DELETE',
      path: '/api/v1/organization/{orgname}/members/{membername}',
      summary: "Takes somebody's role in an organization away.",
      right: 'write-settings',
      answers: { 204: { description: 'they have no role there any more' } },
      async handle({ organization, principal, path }) {
        const name = path['membername'] ?? '';
        if ((await members.role(organization, name)) === undefined) throw noMember(name);
        const entry = { kind: 'org_remove_member', performedBy: principal.name, changes: { member: name } };
        await parts.audit.record(organization, entry);
        if (!(await members.remove(organization, name))) throw noMember(name);
        parts.onChanged();
        return { status: 204 };
      },
    },
  ];
}

function noMember(name: string): ApiError {
  const who = JSON.stringify(name.slice(0, 255));
  return new ApiError('NOT_FOUND', { detail: `Not Found: ${who} has no role in this organization` });
}
