import type { OrganizationName, ProxyCacheSettingsReader } from '@breakwater/registry-core';
import { pageToken, readPageToken } from '@breakwater/registry-http';
import { z } from 'zod';
import type { Membership, PostgresMembers } from '../postgres/postgres-members.js';
import { pageOf } from './names.js';

/** An organization as somebody sees it. */
export const organizationView = z.strictObject({
  name: z.string(),
  role: z.enum(['admin', 'member']).nullable().meta({ description: 'null for an administrator who has no role there' }),
  is_org_admin: z.boolean().meta({ description: 'whether they may change its settings' }),
  upstream_registry: z.string().nullable().meta({ description: 'null = a hosted organization' }),
});

/** A page of the organizations that somebody sees: all of them for administrators of the registry, else their own. */
export async function listOrganizations(
  parts: {
    readonly members: Pick<PostgresMembers, 'memberships' | 'everything'>;
    readonly settings: ProxyCacheSettingsReader;
  },
  user: string,
  seesAll: boolean,
  { limit, next_page }: { readonly limit: number; readonly next_page?: string | undefined },
): Promise<{ readonly organizations: readonly z.input<typeof organizationView>[]; readonly next_page?: string }> {
  const wanted = { last: readPageToken(next_page, 1)?.[0], limit: limit + 1 };
  const found = seesAll ? parts.members.everything(user, wanted) : parts.members.memberships(user, wanted);
  const { page, more } = pageOf(await found, limit);
  const organizations = await Promise.all(page.map((each) => viewOf(parts.settings, each, seesAll)));
  return { organizations, ...(more ? { next_page: pageToken([page.at(-1)?.organization ?? '']) } : {}) };
}

/** One organization as somebody sees it who may do everything in it, or what their role allows. */
export async function viewOf(
  settings: ProxyCacheSettingsReader,
  { organization, role }: Membership,
  mayAll: boolean,
): Promise<z.input<typeof organizationView>> {
  return {
    name: organization,
    role: role ?? null,
    is_org_admin: mayAll || role === 'admin',
    upstream_registry: (await upstreamOf(settings, organization)) ?? null,
  };
}

async function upstreamOf(
  settings: ProxyCacheSettingsReader,
  organization: OrganizationName,
): Promise<string | undefined> {
  return (await settings.find(organization))?.upstream;
}
