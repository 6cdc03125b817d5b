import type { OrganizationName, ProxyCacheSettingsReader } from '@breakwater/registry-core';
import type { CachedTagTable } from '../postgres/cached-tag-table.js';
import type { FindOrganizations } from './upstream-health.js';

/** How many of the most recently used tags of a registry are looked through for the organizations they belong to. */
const LATEST = 10_000;

/** The organizations that have used something of a registry, by their cached tags, and whose upstream it still is. */
export function organizationsBehind(
  table: Pick<CachedTagTable, 'organizationsOf'>,
  settings: ProxyCacheSettingsReader,
): FindOrganizations {
  return async (registries) => {
    const found = new Set<OrganizationName>();
    for (const registry of registries) {
      for (const { organization, upstream } of await table.organizationsOf(registry, LATEST)) {
        if ((await settings.find(organization))?.upstream === upstream) found.add(organization);
      }
    }
    return [...found].sort();
  };
}
