import type { IncomingMessage } from 'node:http';
import {
  type Access,
  type AccessAction,
  type AccessTarget,
  type Principal,
  RegistryError,
} from '@breakwater/registry-core';

/**
 * The one place where rights to content are checked. Resolves to who it is; `undefined` for anybody.
 * @throws RegistryError UNAUTHORIZED with a challenge for whoever has not signed in, DENIED for whoever has
 */
export async function admitToContent(
  access: Access,
  request: IncomingMessage,
  action: AccessAction,
  { organization, repository }: Required<AccessTarget>,
): Promise<Principal | undefined> {
  const principal = await access.authenticate(request);
  if (await access.authorize(principal, action, { organization, repository })) return principal;
  throw principal === undefined ? unauthorized(access, request) : new RegistryError('DENIED');
}

/** The refusal that tells a client to sign in, and how. */
export function unauthorized(access: Access, request: IncomingMessage): RegistryError {
  return new RegistryError('UNAUTHORIZED', undefined, { headers: { 'www-authenticate': access.challenge(request) } });
}
