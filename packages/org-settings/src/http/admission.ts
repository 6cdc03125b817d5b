import type { IncomingMessage } from 'node:http';
import {
  type Access,
  type AccessAction,
  isRegistryError,
  type OrganizationName,
  type Principal,
  parseOrganizationName,
} from '@breakwater/registry-core';
import { SettingsError } from '../errors.js';
import type { OrganizationDirectory } from '../ports.js';

/** Somebody who may do what they ask for, to an organization that exists. */
export interface Admitted {
  readonly principal: Principal;
  readonly organization: OrganizationName;
}

/**
 * The one place where rights are checked (S30). An organization that does not exist is answered like one in which there
 * is no right, so that nobody can find out which names are taken.
 *
 * @throws SettingsError UNAUTHENTICATED or FORBIDDEN
 */
export async function admit(
  access: Access,
  organizations: OrganizationDirectory,
  request: IncomingMessage,
  name: string,
  action: AccessAction,
): Promise<Admitted> {
  const principal = await signedIn(access, request);
  if (principal === undefined) {
    throw new SettingsError('UNAUTHENTICATED', { headers: { 'www-authenticate': access.challenge(request) } });
  }
  const organization = parseOrganizationName(name);
  const may =
    organization !== undefined &&
    (await access.authorize(principal, action, { organization })) &&
    (await organizations.exists(organization));
  if (!may) throw new SettingsError('FORBIDDEN');
  return { principal, organization };
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
