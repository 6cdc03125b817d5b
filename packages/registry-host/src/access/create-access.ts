import type { IncomingMessage } from 'node:http';
import {
  type Access,
  type AccessAction,
  type AccessTarget,
  type Principal,
  type ProxyCacheSettingsReader,
  RegistryError,
} from '@breakwater/registry-core';
import { parseRegistryRoute } from '@breakwater/registry-http';
import { originalTarget, tokenChallenge } from '../tokens/challenge.js';
import { allows, type Grant } from '../tokens/grant.js';
import type { TokenBearers } from '../tokens/token-bearers.js';
import type { ApiTokens } from './api-tokens.js';
import { type BasicCredentials, parseBasicCredentials } from './basic-credentials.js';
import { type CredentialVerifier, isUndecided } from './credential-verifier.js';
import { neededAction } from './needed-action.js';
import { hasCsrfToken, type Sessions } from './sessions.js';
import type { OrganizationRole, OrganizationRoles, RobotRole, UserDirectory } from './users.js';

export interface AccessOptions {
  readonly users: UserDirectory;
  readonly verifier: CredentialVerifier;
  readonly tokens: Pick<ApiTokens, 'verify'>;
  /** Who sends tokens of Docker's token protocol, below `/v2/`. */
  readonly bearers: Pick<TokenBearers, 'find'>;
  readonly sessions: Pick<Sessions, 'find'>;
  readonly roles: OrganizationRoles;
  /** Says where anybody may pull. */
  readonly settings: ProxyCacheSettingsReader;
  /** What tokens call this registry. */
  readonly service: string;
  /** Where clients reach it; `undefined` = as they called it. */
  readonly publicUrl: string | undefined;
}

const BASIC_CHALLENGE = 'Basic realm="Breakwater", charset="UTF-8"';
/** For scripts of the page: at a Basic challenge a browser would ask for a password in a window of its own. */
const PAGE_CHALLENGE = 'Bearer realm="Breakwater"';
const READING = new Set(['GET', 'HEAD', 'OPTIONS']);
const BEARER = /^bearer +(\S+) *$/i;

interface VerifiedPrincipal extends Principal {
  readonly isAdministrator: boolean;
  /** All that a token is for; `undefined` for whoever may do whatever they may. */
  readonly grants?: readonly Grant[];
}

/** What each role may do in its organization. */
const RIGHTS: Readonly<Record<OrganizationRole | RobotRole, ReadonlySet<AccessAction>>> = {
  member: new Set<AccessAction>(['pull', 'read-settings']),
  admin: new Set<AccessAction>(['pull', 'push', 'delete', 'read-settings', 'write-settings']),
  read: new Set<AccessAction>(['pull']),
  write: new Set<AccessAction>(['pull', 'push', 'delete']),
};

/**
 * The registry's own authentication: Basic, an API token as Bearer, below `/v2/` a token of Docker's token protocol, below
 * `/api/` the session of the page. And its rights: administrators may do everything; organizations have admins and members;
 * anybody, signed in or not, may pull from a proxy organization with anonymous pull.
 */
export function createAccess(options: AccessOptions): Access {
  const { users, verifier, tokens, bearers, sessions, roles, settings } = options;

  async function authenticate(request: IncomingMessage): Promise<VerifiedPrincipal | undefined> {
    const { authorization } = request.headers;
    if (authorization === undefined || authorization.trim() === '') return bySession(request);
    const bearer = BEARER.exec(authorization)?.[1];
    if (bearer !== undefined) return byToken(request, bearer);
    const credentials = parseBasicCredentials(authorization);
    if (credentials === undefined) return undefined;
    const user = credentials === 'unreadable' ? undefined : await byPassword(request, credentials);
    if (user === 'anybody') return undefined;
    if (user === undefined) {
      throw unauthorized(
        request,
        credentials === 'unreadable'
          ? 'only Basic authentication and tokens are supported'
          : 'invalid username or password',
      );
    }
    // A browser that knows a password sends it with whatever another site makes it send, too.
    if (!READING.has(request.method ?? '') && isFromAnotherSite(request)) {
      throw csrf('a page of another site may not write here');
    }
    return { name: user.name, isAdministrator: user.isAdministrator };
  }

  async function byToken(request: IncomingMessage, text: string): Promise<VerifiedPrincipal> {
    const user = await tokens.verify(text);
    if (user !== undefined) return user;
    const target = originalTarget(request);
    const bearer = target.startsWith('/v2') ? await bearers.find(text) : undefined;
    if (bearer === undefined) throw unauthorized(request, 'the token is wrong, revoked or expired');
    const route = parseRegistryRoute(target);
    if (route === undefined || !('organization' in route)) return bearer;
    // What is written to a proxy organization is refused for what it is, not for who sends it (S24).
    const isProxied = (await settings.find(route.organization)) !== undefined;
    const action = isProxied ? 'pull' : neededAction(request, route);
    if (allows(bearer.grants, action, route.organization, route.repository)) return bearer;
    throw unauthorized(request, 'the token is not for this: ask for one with the scope of WWW-Authenticate', true);
  }

  /**
   * Credentials that are wrong, or that cannot be looked at now, count for nothing where anybody may pull: a cluster sends
   * those that it has for the upstream to whoever stands in for it.
   */
  async function byPassword(request: IncomingMessage, credentials: BasicCredentials) {
    try {
      const user = await verifier.verify(credentials, request.socket.remoteAddress ?? '');
      return user ?? ((await anybodyMay(request)) ? 'anybody' : undefined);
    } catch (error) {
      if (isUndecided(error) && (await anybodyMay(request))) return 'anybody';
      throw error;
    }
  }

  /** Such an organization is a proxy organization: there is nothing to write, whoever one is. */
  async function anybodyMay(request: IncomingMessage): Promise<boolean> {
    const route = parseRegistryRoute(originalTarget(request));
    if (route === undefined || !('organization' in route)) return false;
    return (await settings.find(route.organization))?.anonymousPull === true;
  }

  function challenge(request: IncomingMessage): string {
    if (originalTarget(request).startsWith('/v2')) return tokenChallenge(request, options);
    return isScript(request) ? PAGE_CHALLENGE : BASIC_CHALLENGE;
  }

  function unauthorized(request: IncomingMessage, message: string, lacksScope = false): RegistryError {
    const header = `${challenge(request)}${lacksScope ? ',error="insufficient_scope"' : ''}`;
    return new RegistryError('UNAUTHORIZED', message, { headers: { 'www-authenticate': header } });
  }

  /** Cookies count for the API alone: whoever pulls sends none. */
  async function bySession(request: IncomingMessage): Promise<VerifiedPrincipal | undefined> {
    if (!originalTarget(request).startsWith('/api/') || request.headers.cookie === undefined) return undefined;
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
    target: AccessTarget,
  ): Promise<boolean> {
    const { organization, repository } = target;
    const grants = (principal as VerifiedPrincipal | undefined)?.grants;
    if (grants !== undefined) {
      if (organization === undefined || repository === undefined) return false;
      if (!allows(grants, action, organization, repository)) return false;
    }
    // A token for nobody in particular has no name.
    const somebody = principal?.name === '' ? undefined : principal;
    if (somebody !== undefined && (await isAdministrator(somebody))) return true;
    if (organization === undefined) return false;
    if (action === 'pull' && (await settings.find(organization))?.anonymousPull === true) return true;
    const role = somebody === undefined ? undefined : await roles.role(organization, somebody.name);
    return role !== undefined && RIGHTS[role].has(action);
  }

  return { authenticate, authorize, challenge };
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
