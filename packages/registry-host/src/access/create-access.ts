import type { IncomingMessage } from 'node:http';
import {
  type Access,
  type AccessAction,
  type AccessTarget,
  type Principal,
  type ProxyCacheSettingsReader,
  RegistryError,
} from '@breakwater/registry-core';
import type { ApiTokens } from './api-tokens.js';
import { parseBasicCredentials } from './basic-credentials.js';
import type { CredentialVerifier } from './credential-verifier.js';
import { hasCsrfToken, type Sessions } from './sessions.js';
import type { OrganizationRole, OrganizationRoles, UserDirectory } from './users.js';

export interface AccessOptions {
  readonly users: UserDirectory;
  readonly verifier: CredentialVerifier;
  readonly tokens: Pick<ApiTokens, 'verify'>;
  readonly sessions: Pick<Sessions, 'find'>;
  readonly roles: OrganizationRoles;
  /** Says where anybody may pull. */
  readonly settings: ProxyCacheSettingsReader;
}

const BASIC_CHALLENGE = 'Basic realm="Breakwater", charset="UTF-8"';
/** For scripts of the page: at a Basic challenge a browser would ask for a password in a window of its own. */
const PAGE_CHALLENGE = 'Bearer realm="Breakwater"';
const READING = new Set(['GET', 'HEAD', 'OPTIONS']);
const BEARER = /^bearer +(\S+) *$/i;

interface VerifiedPrincipal extends Principal {
  readonly isAdministrator: boolean;
}

/** What each role may do in its organization. */
const RIGHTS: Readonly<Record<OrganizationRole, ReadonlySet<AccessAction>>> = {
  member: new Set<AccessAction>(['pull', 'read-settings']),
  admin: new Set<AccessAction>(['pull', 'push', 'read-settings', 'write-settings']),
};

/**
 * The registry's own authentication: Basic, an API token as Bearer, or below `/api/` the session of the page. And its
 * rights: administrators may do everything; organizations have admins and members; anybody, signed in or not, may pull
 * from a proxy organization with anonymous pull.
 */
export function createAccess(options: AccessOptions): Access {
  const { users, verifier, tokens, sessions, roles, settings } = options;

  async function authenticate(request: IncomingMessage): Promise<VerifiedPrincipal | undefined> {
    const { authorization } = request.headers;
    if (authorization === undefined || authorization.trim() === '') return bySession(request);
    const bearer = BEARER.exec(authorization)?.[1];
    if (bearer !== undefined) {
      const user = await tokens.verify(bearer);
      if (user === undefined) throw unauthorized('the token is wrong, revoked or expired');
      return user;
    }
    const credentials = parseBasicCredentials(authorization);
    if (credentials === undefined) return undefined;
    const user =
      credentials === 'unreadable' ? undefined : await verifier.verify(credentials, request.socket.remoteAddress ?? '');
    if (user === undefined) {
      throw unauthorized(
        credentials === 'unreadable'
          ? 'only Basic authentication and API tokens are supported'
          : 'invalid username or password',
      );
    }
    // A browser that knows a password sends it with whatever another site makes it send, too.
    if (!READING.has(request.method ?? '') && isFromAnotherSite(request)) {
      throw csrf('a page of another site may not write here');
    }
    return { name: user.name, isAdministrator: user.isAdministrator };
  }

  /** Cookies count for the API alone: whoever pulls sends none. */
  async function bySession(request: IncomingMessage): Promise<VerifiedPrincipal | undefined> {
    const target = (request as { originalUrl?: string }).originalUrl ?? request.url ?? '';
    if (!target.startsWith('/api/') || request.headers.cookie === undefined) return undefined;
    const session = await sessions.find(request);
    if (session === undefined) return undefined;
    if (!READING.has(request.method ?? '') && !hasCsrfToken(request, session)) {
      throw csrf('CSRF token was invalid or missing: send the csrf_token of GET /api/v1/session as X-CSRF-Token');
    }
    return { name: session.userName, isAdministrator: session.isAdministrator };
  }

  async function isAdministrator(principal: Principal): Promise<boolean> {
    const known = (principal as Partial<VerifiedPrincipal>).isAdministrator;
    return known ?? (await users.find(principal.name))?.isAdministrator ?? false;
  }

  async function authorize(
    principal: Principal | undefined,
    action: AccessAction,
    { organization }: AccessTarget,
  ): Promise<boolean> {
    if (principal !== undefined && (await isAdministrator(principal))) return true;
    if (organization === undefined) return false;
    if (action === 'pull' && (await settings.find(organization))?.anonymousPull === true) return true;
    const role = principal === undefined ? undefined : await roles.role(organization, principal.name);
    return role !== undefined && RIGHTS[role].has(action);
  }

  return { authenticate, authorize, challenge: (request) => (isScript(request) ? PAGE_CHALLENGE : BASIC_CHALLENGE) };
}

function unauthorized(message: string): RegistryError {
  return new RegistryError('UNAUTHORIZED', message, { headers: { 'www-authenticate': BASIC_CHALLENGE } });
}

function csrf(message: string): RegistryError {
  return new RegistryError('DENIED', message, { detail: { reason: 'csrf' } });
}

/** As browsers say it themselves (Fetch Metadata); other clients say nothing. */
function isFromAnotherSite(request: IncomingMessage): boolean {
  const site = request.headers['sec-fetch-site'];
  return site !== undefined && site !== 'same-origin' && site !== 'none';
}

function isScript(request: IncomingMessage): boolean {
  const mode = request.headers['sec-fetch-mode'];
  return request.headers['x-requested-with'] === 'XMLHttpRequest' || (mode !== undefined && mode !== 'navigate');
}
