import type { Clock, ProxyCacheSettings } from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';
import { type Challenge, parseChallenges } from './challenge.js';
import type { Deadlines } from './deadlines.js';
import { readBody } from './read-body.js';
import { isAcceptableRealm, type KnownRealm } from './realm.js';
import type { SharedTokens } from './shared-tokens.js';
import { bearerHeader, MAX_LIFETIME_MS, type Token } from './token.js';
import type { Transport } from './transport.js';
import { atOrigin, isUpstreamError, UpstreamError } from './upstream-error.js';

/** What an authorization is for: one repository of one upstream, with one version of an organization's credentials. */
export interface AuthorizationScope {
  readonly settings: Pick<ProxyCacheSettings, 'organization' | 'upstreamCaPem' | 'credentials' | 'credentialVersion'>;
  /** Origin of the registry. */
  readonly origin: string;
  /** The upstream's name of the repository; `undefined` for the registry as a whole. */
  readonly repository: string | undefined;
}

/** Hears of the token servers that registries name, both as origins, so that their health is watched as their own. */
export type TokenServerListener = (registry: string, tokenServer: string) => Promise<void>;

/** How the upstream said it wants to be asked. */
type Known =
  | { readonly kind: 'basic' }
  | { readonly kind: 'bearer'; readonly realm: URL; readonly service: string | undefined; readonly scope: string };

/** The lifetime of a token that does not say, in milliseconds (P17). */
const DEFAULT_LIFETIME_MS = 60_000;
const RENEW_AT = 0.8;
const MAX_TOKEN_ANSWER_BYTES = 64 * 1024;
const MAX_REMEMBERED = 10_000;

/**
 * Answers the challenges of upstream registries. A token is fetched once for all that wait for it, renewed at four fifths
 * of its life, and kept under everything that it depends on, so that changed credentials are used at once (S10).
 */
export class Authorizations {
  readonly #known = new LRUCache<string, Known>({ max: MAX_REMEMBERED });
  readonly #tokens = new LRUCache<string, Token>({ max: MAX_REMEMBERED });
  readonly #fetching = new Map<string, Promise<Token>>();

  constructor(
    private readonly transport: Transport,
    private readonly deadlines: Pick<Deadlines, 'idleMs'>,
    private readonly clock: Clock,
    private readonly onTokenServer: TokenServerListener = async () => undefined,
    private readonly shared?: SharedTokens,
    private readonly realms: readonly KnownRealm[] = [],
  ) {}

  /** The `Authorization` value to begin with; `undefined` while the upstream has not asked for any. */
  async current(scope: AuthorizationScope, signal: AbortSignal): Promise<string | undefined> {
    const known = this.#known.get(scopeKey(scope));
    if (known === undefined) return undefined;
    if (known.kind === 'basic') return basicHeader(scope);
    const token = this.#tokens.get(tokenKey(scope, known));
    if (token === undefined) return (await this.#fetchShared(scope, known, signal)).header;
    const now = this.clock.now();
    if (token.renewAt > now) return token.header;
    try {
      return (await this.#fetchShared(scope, known, signal)).header;
    } catch (error) {
      // What the token server gave out before it failed is good until it expires (F79).
      if (token.expiresAt > now && isTokenServerDown(error)) return token.header;
      throw error;
    }
  }

  /**
   * The `Authorization` value that answers a 401 to a request that carried `refused`: a token made anew, unless somebody
   * else has had one made since that request was sent. `undefined` when the challenge asks for what we do not have.
   * @throws UpstreamError class `auth` when the token server fails, `denied` when it refuses, `blocked` for its address
   */
  async answer(
    scope: AuthorizationScope,
    challengeHeader: string | undefined,
    refused: string | undefined,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const known = choose(parseChallenges(challengeHeader ?? ''), scope, this.realms);
    if (known === undefined) return undefined;
    this.#known.set(scopeKey(scope), known);
    if (known.kind === 'basic') return basicHeader(scope);
    await this.onTokenServer(scope.origin, known.realm.origin);
    const key = tokenKey(scope, known);
    const token = this.#tokens.get(key);
    if (token !== undefined && token.header !== refused && token.renewAt > this.clock.now()) return token.header;
    this.#tokens.delete(key);
    return (await this.#fetchShared(scope, known, signal, refused)).header;
  }

  /**
   * Whether a token which was refused tells nothing about us: another process had fetched it, and it may have been revoked
   * since then. It is worth one that is made anew.
   */
  isBorrowed(scope: AuthorizationScope, refused: string): boolean {
    const known = this.#known.get(scopeKey(scope));
    if (known?.kind !== 'bearer') return false;
    const token = this.#tokens.get(tokenKey(scope, known));
    return token?.borrowed === true && token.header === refused;
  }

  #fetchShared(
    scope: AuthorizationScope,
    known: Known & { kind: 'bearer' },
    signal: AbortSignal,
    refused?: string,
  ): Promise<Token> {
    const key = tokenKey(scope, known);
    const inFlight = this.#fetching.get(key);
    if (inFlight !== undefined) return inFlight;
    const fetching = this.#borrowOrFetch(scope, known, signal, refused)
      .then((token) => {
        this.#tokens.set(key, token);
        return token;
      })
      .finally(() => this.#fetching.delete(key));
    this.#fetching.set(key, fetching);
    return fetching;
  }

  /** The token that another process has, else a new one; after a refusal only a new one will do. */
  async #borrowOrFetch(
    scope: AuthorizationScope,
    known: Known & { kind: 'bearer' },
    signal: AbortSignal,
    refused: string | undefined,
  ): Promise<Token> {
    const shared = isInForce(scope) ? this.shared : undefined;
    if (shared === undefined) return this.#fetch(scope, known, signal);
    const key = tokenKey(scope, known);
    const borrowed = refused === undefined ? await shared.find(key) : undefined;
    if (borrowed !== undefined && borrowed.renewAt > this.clock.now()) return borrowed;
    try {
      const token = await this.#fetch(scope, known, signal);
      shared.keep(key, token);
      return token;
    } catch (error) {
      if (borrowed !== undefined && borrowed.expiresAt > this.clock.now() && isTokenServerDown(error)) return borrowed;
      throw error;
    }
  }

  async #fetch(scope: AuthorizationScope, known: Known & { kind: 'bearer' }, signal: AbortSignal): Promise<Token> {
    const url = new URL(known.realm.href);
    if (known.service !== undefined) url.searchParams.set('service', known.service);
    if (known.scope !== '') url.searchParams.set('scope', known.scope);
    const authorization = basicHeader(scope);
    const headers = { accept: 'application/json', ...(authorization === undefined ? {} : { authorization }) };
    try {
      const response = await this.transport.send({
        url,
        method: 'GET',
        headers,
        caPem: scope.settings.upstreamCaPem,
        signal,
      });
      const limits = { maxBytes: MAX_TOKEN_ANSWER_BYTES, idleMs: this.deadlines.idleMs, signal };
      const body = await readBody(response.body, limits);
      if (response.status === 401 || response.status === 403) {
        throw new UpstreamError('denied', 'the token server of the upstream refused us', {
          upstreamStatus: response.status,
        });
      }
      if (response.status !== 200) {
        throw new UpstreamError('auth', `the token server of the upstream answered ${response.status}`, {
          upstreamStatus: response.status,
        });
      }
      return this.#readToken(body);
    } catch (error) {
      throw asTokenServerFailure(error, url.origin);
    }
  }

  #readToken(body: Buffer): Token {
    const answer = parseJsonObject(body);
    const header = bearerHeader(answer['token'] ?? answer['access_token']);
    if (header === undefined) {
      throw new UpstreamError('auth', 'the token server of the upstream sent no usable token');
    }
    const expiresIn = answer['expires_in'];
    const lifetimeMs =
      typeof expiresIn === 'number' && Number.isFinite(expiresIn)
        ? Math.min(Math.max(0, expiresIn * 1000), MAX_LIFETIME_MS)
        : DEFAULT_LIFETIME_MS;
    const now = this.clock.now();
    return { header, renewAt: now + lifetimeMs * RENEW_AT, expiresAt: now + lifetimeMs, borrowed: false };
  }
}

function choose(
  challenges: readonly Challenge[],
  scope: AuthorizationScope,
  realms: readonly KnownRealm[],
): Known | undefined {
  for (const { scheme, parameters } of challenges) {
    if (scheme === 'bearer') {
      const realm = parameters.get('realm') ?? '';
      if (!URL.canParse(realm)) throw new UpstreamError('auth', 'the upstream names no token server that is a URL');
      const url = new URL(realm);
      if (!isAcceptableRealm(scope.origin, url, realms)) {
        throw new UpstreamError('blocked', 'the upstream names a token server that is not its own');
      }
      // Only what we need is asked for, whatever scope the challenge suggests: pull of this one repository.
      const wanted =
        scope.repository === undefined ? (parameters.get('scope') ?? '') : `repository:${scope.repository}:pull`;
      return { kind: 'bearer', realm: url, service: parameters.get('service'), scope: wanted };
    }
    if (scheme === 'basic' && scope.settings.credentials !== undefined) return { kind: 'basic' };
  }
  return undefined;
}

function basicHeader({ settings }: AuthorizationScope): string | undefined {
  if (settings.credentials === undefined) return undefined;
  const { username, password } = settings.credentials;
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

/** A token server that is down is an outage of the upstream, of class `auth`; being refused or throttled stays what it is. */
function asTokenServerFailure(error: unknown, origin: string): unknown {
  if (!isUpstreamError(error)) return error;
  if (['denied', 'rate_limited', 'blocked', 'auth'].includes(error.failureClass)) return atOrigin(error, origin);
  return new UpstreamError('auth', 'the token server of the upstream failed', {
    ...(error.upstreamStatus === undefined ? {} : { upstreamStatus: error.upstreamStatus }),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    origin,
    cause: error,
  });
}

function isTokenServerDown(error: unknown): boolean {
  return isUpstreamError(error) && error.failureClass === 'auth';
}

/**
 * Whether the settings are stored ones. Those that are only tried out have versions below 0, which every process counts
 * for itself: shared, the token of one trial would let another one in whose password is wrong.
 */
function isInForce({ settings }: AuthorizationScope): boolean {
  return settings.credentialVersion >= 0;
}

function parseJsonObject(body: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Falls through: whatever it is, it is no token.
  }
  throw new UpstreamError('auth', 'the token server of the upstream did not answer with a JSON object');
}

function scopeKey({ settings, origin, repository }: AuthorizationScope): string {
  return [settings.organization, settings.credentialVersion, origin, repository ?? ''].join('\n');
}

function tokenKey(scope: AuthorizationScope, known: Known & { kind: 'bearer' }): string {
  return [scopeKey(scope), known.realm.href, known.service ?? '', known.scope].join('\n');
}
