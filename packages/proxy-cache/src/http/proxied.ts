import type { OrganizationName, ProxyCacheSettings, ProxyCacheSettingsReader } from '@breakwater/registry-core';
import { ApiError } from '@breakwater/registry-http';

/** The settings of an organization that proxies. @throws ApiError NOT_FOUND for one that does not */
export type Proxied = (organization: OrganizationName) => Promise<ProxyCacheSettings>;

/** Looks them up with the host's reader. */
export function proxiedBy(settings: ProxyCacheSettingsReader): Proxied {
  return async (organization) => {
    const found = await settings.find(organization);
    if (found !== undefined) return found;
    throw new ApiError('NOT_FOUND', {
      detail: 'Not Found: this organization has no proxy cache configuration; POST creates one',
    });
  };
}
