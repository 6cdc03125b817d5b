import type { IncomingMessage } from 'node:http';
import {
  type Access,
  type AccessAction,
  type AccessTarget,
  type Clock,
  type Principal,
  type ProxyCacheSettingsReader,
  RegistryError,
  systemClock,
} from '@breakwater/registry-core';
import { parseBasicCredentials } from './basic-credentials.js';
import { CredentialVerifier } from './credential-verifier.js';
import type { UserDirectory } from './users.js';

export interface AccessOptions {
  readonly users: UserDirectory;
  /** Says where anybody may pull. */
  readonly settings: ProxyCacheSettingsReader;
  /** Default the machine's own. */
  readonly clock?: Clock;
}

const CHALLENGE = 'Basic realm="Breakwater", charset="UTF-8"';

interface VerifiedPrincipal extends Principal {
  readonly isAdministrator: boolean;
}

/**
 * Basic authentication, and the rights of this stage: administrators may do everything; anybody, signed in or not, may
 * pull from a proxy organization with anonymous pull; nobody else may do anything.
 */
export function createAccess(options: AccessOptions): Access {
  const { users, settings, clock = systemClock } = options;
  const verifier = new CredentialVerifier({ users, clock });

  async function authenticate(request: IncomingMessage): Promise<VerifiedPrincipal | undefined> {
    const credentials = parseBasicCredentials(request.headers.authorization);
    if (credentials === undefined) return undefined;
    const user = credentials === 'unreadable' ? undefined : await verifier.verify(credentials);
    if (user === undefined) {
      const message =
        credentials === 'unreadable' ? 'only Basic authentication is supported' : 'invalid username or password';
      throw new RegistryError('UNAUTHORIZED', message, { headers: { 'www-authenticate': CHALLENGE } });
    }
    return { name: user.name, isAdministrator: user.isAdministrator };
  }

  async function isAdministrator(principal: Principal): Promise<boolean> {
    const known = (principal as Partial<VerifiedPrincipal>).isAdministrator;
    return known ?? (await users.find(principal.name))?.isAdministrator ?? false;
  }

  async function authorize(
    principal: Principal | undefined,
    action: AccessAction,
    target: AccessTarget,
  ): Promise<boolean> {
    if (principal !== undefined && (await isAdministrator(principal))) return true;
    if (action !== 'pull' || target.organization === undefined) return false;
    return (await settings.find(target.organization))?.anonymousPull ?? false;
  }

  return { authenticate, authorize, challenge: () => CHALLENGE };
}
