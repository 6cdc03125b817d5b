import type { IncomingMessage } from 'node:http';
import {
  type Access,
  isRegistryError,
  type Principal,
  type ProxyCacheSettings,
  type ProxyCacheSettingsReader,
  parseOrganizationName,
} from '@breakwater/registry-core';
import type { OrganizationDirectory } from '../ports.js';
import { ApiError } from './api-error.js';

/** What decides who may read. */
export interface AdmissionParts {
  readonly access: Access;
  readonly settings: ProxyCacheSettingsReader;
  readonly organizations: OrganizationDirectory;
}

/**
 * The settings of the proxy organization that a request is about, for somebody who may read them. The one place where
 * rights are checked (S30): no right and no such organization are answered alike, so that nobody can find out which names
 * are taken.
 *
 * @throws ApiError UNAUTHENTICATED or FORBIDDEN, and NOT_FOUND for an organization that proxies nothing
 */
export async function admitReader(
  { access, settings, organizations }: AdmissionParts,
  request: IncomingMessage,
  name: string,
): Promise<ProxyCacheSettings> {
  const principal = await signedIn(access, request);
  if (principal === undefined) {
    throw new ApiError('UNAUTHENTICATED', { headers: { 'www-authenticate': access.challenge(request) } });
  }
  const organization = parseOrganizationName(name);
  if (organization === undefined || !(await access.authorize(principal, 'read-settings', { organization }))) {
    throw new ApiError('FORBIDDEN');
  }
  const found = await settings.find(organization);
  if (found !== undefined) return found;
  throw new ApiError((await organizations.exists(organization)) ? 'NOT_FOUND' : 'FORBIDDEN');
}

async function signedIn(access: Access, request: IncomingMessage): Promise<Principal | undefined> {
  try {
    return await access.authenticate(request);
  } catch (error) {
    // Wrong credentials are answered like none, in Quay's shape.
    if (isRegistryError(error) && error.code === 'UNAUTHORIZED') return undefined;
    throw error;
  }
}
