import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Access,
  type Logger,
  type Principal,
  parseOrganizationName,
  parseRepositoryName,
  RegistryError,
} from '@breakwater/registry-core';
import { answerError, readBody } from '@breakwater/registry-http';
import { type BasicCredentials, parseBasicCredentials } from '../access/basic-credentials.js';
import { isUndecided } from '../access/credential-verifier.js';
import type { RegistryUser } from '../access/users.js';
import { originalTarget } from './challenge.js';
import { type Grant, type GrantedAction, parseScopes, type Scope } from './grant.js';
import type { RegistryTokens } from './registry-tokens.js';

export interface TokenEndpointParts {
  readonly tokens: RegistryTokens;
  readonly verify: (credentials: BasicCredentials, address: string) => Promise<RegistryUser | undefined>;
  readonly access: Pick<Access, 'authorize'>;
  /** The name that a client's name of a repository stands for. */
  readonly resolveName: (name: string) => Promise<string>;
  readonly logger: Logger;
}

/** What a client asks for, however it asked. */
interface TokenRequest {
  readonly scopes: readonly Scope[];
  readonly credentials: BasicCredentials | undefined;
}

/** Whose credentials were sent, or what has to be said of them where they would be needed. */
interface SignIn {
  readonly user: RegistryUser | undefined;
  readonly refusal: unknown;
}

type Next = (error?: unknown) => void;

const MAX_FORM_BYTES = 64 * 1024;
/** Sent with 401 by a token server itself: clients have nowhere else to go. */
const CHALLENGE = 'Basic realm="Breakwater", charset="UTF-8"';

/** Answers `/v2/auth`, GET and POST (Docker's token protocol, as Quay speaks it). */
export function tokenEndpoint(parts: TokenEndpointParts) {
  return (request: IncomingMessage, response: ServerResponse, next: Next): void => {
    const [path = '', query = ''] = originalTarget(request).split(/\?(.*)/s);
    if (path !== '/v2/auth') return next();
    answer(parts, request, response, query).catch((error: unknown) =>
      answerError(request, response, error, parts.logger),
    );
  };
}

async function answer(
  parts: TokenEndpointParts,
  request: IncomingMessage,
  response: ServerResponse,
  query: string,
): Promise<void> {
  const { scopes, credentials } = await readRequest(request, query);
  const { user, refusal } = await signIn(parts, request, credentials);
  const grants = await grantsOf(parts, user, scopes);
  // What anybody may pull is not refused to somebody with credentials for somewhere else: clusters send what they have.
  if (refusal !== undefined && grants.length === 0) throw refusal;
  const issued = await parts.tokens.issue(user, grants);
  const body = Buffer.from(
    JSON.stringify({
      token: issued.text,
      access_token: issued.text,
      expires_in: issued.expiresIn,
      issued_at: new Date(issued.issuedAt).toISOString(),
    }),
  );
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': body.byteLength,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function readRequest(request: IncomingMessage, query: string): Promise<TokenRequest> {
  const basic = parseBasicCredentials(request.headers.authorization);
  if (basic === 'unreadable') throw new RegistryError('UNAUTHORIZED', 'only Basic credentials are taken here');
  if (request.method === 'GET' || request.method === 'HEAD') {
    return { scopes: parseScopes(new URLSearchParams(query).getAll('scope')), credentials: basic };
  }
  if (request.method !== 'POST') {
    throw new RegistryError('UNSUPPORTED', 'tokens are asked for with GET or POST', {
      headers: { allow: 'GET, HEAD, POST' },
    });
  }
  const form = await readForm(request);
  const grantType = form.get('grant_type');
  if (grantType !== 'password') {
    // 400 makes clients ask again with GET.
    const message = `grant_type must be password, not ${JSON.stringify(grantType?.slice(0, 32) ?? '')}`;
    throw new RegistryError('UNSUPPORTED', message, { status: 400 });
  }
  const username = form.get('username') ?? '';
  const password = form.get('password') ?? '';
  const credentials = username === '' && password === '' ? basic : { username, password };
  return { scopes: parseScopes(form.getAll('scope')), credentials };
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const body = await readBody(request, MAX_FORM_BYTES);
  if (typeof body !== 'string') return new URLSearchParams(body.toString('utf8'));
  const status = body === 'too large' ? 413 : 400;
  throw new RegistryError('UNSUPPORTED', 'the form of a token request may have 64 KiB', {
    status,
    headers: { connection: 'close' },
  });
}

async function signIn(
  { verify }: TokenEndpointParts,
  request: IncomingMessage,
  credentials: BasicCredentials | undefined,
): Promise<SignIn> {
  if (credentials === undefined) return { user: undefined, refusal: undefined };
  try {
    const user = await verify(credentials, request.socket.remoteAddress ?? '');
    return { user, refusal: user === undefined ? wrongCredentials() : undefined };
  } catch (error) {
    if (!isUndecided(error)) throw error;
    return { user: undefined, refusal: error };
  }
}

function wrongCredentials(): RegistryError {
  return new RegistryError('UNAUTHORIZED', 'invalid username or password', {
    headers: { 'www-authenticate': CHALLENGE },
  });
}

/** What of the scopes can be granted; the rest is left out, which is no error. */
async function grantsOf(
  { access, resolveName }: TokenEndpointParts,
  principal: Principal | undefined,
  scopes: readonly Scope[],
): Promise<readonly Grant[]> {
  const grants: Grant[] = [];
  for (const scope of scopes) {
    const name = await resolveName(scope.name);
    const [, first = '', rest = ''] = /^([^/]+)\/(.+)$/.exec(name) ?? [];
    const organization = parseOrganizationName(first);
    const repository = parseRepositoryName(rest);
    if (organization === undefined || repository === undefined) continue;
    const actions: GrantedAction[] = [];
    for (const action of scope.actions) {
      if (await access.authorize(principal, action, { organization, repository })) actions.push(action);
    }
    if (actions.length > 0) grants.push({ type: 'repository', name, actions });
  }
  return grants;
}
