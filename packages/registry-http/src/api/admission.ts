import type { IncomingMessage } from 'node:http';
import {
  type Access,
  type AccessAction,
  isRegistryError,
  type OrganizationName,
  type Principal,
  parseOrganizationName,
} from '@breakwater/registry-core';
import { ApiError } from './api-error.js';

/** What decides who may. */
export interface AdmissionParts {
  readonly access: Access;
  /** Hosted and proxied organizations alike. */
  readonly organizations: { exists(name: OrganizationName): Promise<boolean> };
}

/** Somebody who may do what they ask for, to an organization that exists. */
export interface Admitted {
  readonly principal: Principal;
  readonly organization: OrganizationName;
}

/**
 * Whoever is signed in.
 * @throws ApiError UNAUTHENTICATED, or CSRF for a write that another site may have made a browser send
 */
export async function admitSignedIn(access: Access, request: IncomingMessage): Promise<Principal> {
  const principal = await authenticated(access, request);
  if (principal !== undefined) return principal;
  throw new ApiError('UNAUTHENTICATED', { headers: { 'www-authenticate': access.challenge(request) } });
}

/**
 * Whoever may administer the whole registry.
 * @throws ApiError UNAUTHENTICATED, CSRF or FORBIDDEN
 */
export async function admitAdministrator(access: Access, request: IncomingMessage): Promise<Principal> {
  const principal = await admitSignedIn(access, request);
  if (await access.authorize(principal, 'administer', {})) return principal;
  throw new ApiError('FORBIDDEN');
}

/**
 * The one place where rights in organizations are checked (S30). An organization that does not exist is answered like one
 * in which there is no right, so that nobody can find out which names are taken.
 * @throws ApiError UNAUTHENTICATED, CSRF or FORBIDDEN
 */
export async function admitToOrganization(
  { access, organizations }: AdmissionParts,
  request: IncomingMessage,
  name: string,
  action: AccessAction,
): Promise<Admitted> {
  const principal = await admitSignedIn(access, request);
  const organization = parseOrganizationName(name);
  const may =
    organization !== undefined &&
    (await access.authorize(principal, action, { organization })) &&
    (await organizations.exists(organization));
  if (!may) throw new ApiError('FORBIDDEN');
  return { principal, organization };
}

async function authenticated(access: Access, request: IncomingMessage): Promise<Principal | undefined> {
  try {
    return await access.authenticate(request);
  } catch (error) {
    if (!isRegistryError(error)) throw error;
    // Wrong credentials are answered like none, in Quay's shape.
    if (error.code === 'UNAUTHORIZED') return undefined;
    if (error.detail?.['reason'] === 'csrf') throw new ApiError('CSRF', { detail: error.message });
    throw error;
  }
}
