import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '@breakwater/registry-core';
import type { AnswerPlan } from './answer-plan.js';
import { errorAnswer, jsonAnswer } from './upstream-content.js';
import type { UpstreamTarget } from './upstream-request.js';

/** How the upstream wants its clients to identify themselves. */
export type UpstreamAuth =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | {
      readonly kind: 'bearer';
      readonly username?: string;
      readonly password?: string;
      /** Whether tokens are given to clients without credentials. Without a `username` they always are. */
      readonly anonymous?: boolean;
      /** What tokens say of their lifetime, and keep to. 300 seconds unless told. */
      readonly tokenLifetimeS?: number;
      /** Repositories that only clients with the credentials get a token for. */
      readonly privateRepositories?: readonly string[];
      /** As Docker Hub: a repository that is not there is answered with 401, not 404, unless with the credentials. */
      readonly hideMissing?: boolean;
      /** `own` (unless told): the token server is another origin. `same`: it is a path of the registry. */
      readonly tokenServer?: 'own' | 'same';
    };

/** A request for a token. `authorization` is the header; the others are as in the query or the form. */
export interface TokenRequest {
  readonly authorization: string | undefined;
  readonly parameters: URLSearchParams;
}

interface IssuedToken {
  readonly repositories: ReadonlySet<string>;
  readonly expiresAt: number;
}

export interface AuthGateOptions {
  readonly clock: Clock;
  /** The URL of the token endpoint, for the challenge. */
  readonly realm: () => string;
  readonly hasRepository: (repository: string) => boolean;
}

const DEFAULT_TOKEN_LIFETIME_S = 300;
const SERVICE = 'fault-upstream';

/** Lets requests in or challenges them, and issues tokens. */
export class AuthGate {
  readonly #tokens = new Map<string, IssuedToken>();

  constructor(
    public auth: UpstreamAuth,
    private readonly options: AuthGateOptions,
  ) {}

  /** Makes every token that was issued invalid. */
  revokeTokens(): void {
    this.#tokens.clear();
  }

  /** The answer of the gate; `undefined` when the request may pass. */
  challenge(target: UpstreamTarget, headers: IncomingHttpHeaders): AnswerPlan | undefined {
    const { auth } = this;
    if (auth.kind === 'none') return undefined;
    if (auth.kind === 'basic') {
      return headers.authorization === basicHeader(auth.username, auth.password)
        ? undefined
        : unauthorized('Basic realm="fault-upstream"');
    }
    const token = this.#tokens.get(/^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1] ?? '');
    const { repository } = target;
    const scope = repository === undefined ? '' : `,scope="repository:${repository}:pull"`;
    const bearer = `Bearer realm="${this.options.realm()}",service="${SERVICE}"${scope}`;
    if (headers.authorization === undefined) return unauthorized(bearer);
    if (token === undefined || token.expiresAt <= this.options.clock.now()) {
      return unauthorized(`${bearer},error="invalid_token"`);
    }
    return repository === undefined || token.repositories.has(repository)
      ? undefined
      : unauthorized(`${bearer},error="insufficient_scope"`);
  }

  /** The answer of the token endpoint. */
  issue(request: TokenRequest): AnswerPlan {
    const { auth } = this;
    if (auth.kind !== 'bearer') return errorAnswer(404, 'UNSUPPORTED');
    const known = this.#knows(request);
    const named = request.authorization !== undefined || request.parameters.has('username');
    if (named ? !known : auth.username !== undefined && auth.anonymous !== true) {
      return unauthorized('Basic realm="fault-upstream"');
    }
    const lifetimeS = auth.tokenLifetimeS ?? DEFAULT_TOKEN_LIFETIME_S;
    const now = this.options.clock.now();
    const token = randomBytes(24).toString('base64url');
    const repositories = requestedRepositories(request.parameters).filter(
      (repository) =>
        known ||
        (!(auth.privateRepositories ?? []).includes(repository) &&
          (auth.hideMissing !== true || this.options.hasRepository(repository))),
    );
    this.#tokens.set(token, { repositories: new Set(repositories), expiresAt: now + lifetimeS * 1000 });
    const issuedAt = new Date(now).toISOString();
    return jsonAnswer(200, { token, access_token: token, expires_in: lifetimeS, issued_at: issuedAt });
  }

  #knows({ authorization, parameters }: TokenRequest): boolean {
    const { auth } = this;
    if (auth.kind !== 'bearer' || auth.username === undefined) return false;
    return (
      authorization === basicHeader(auth.username, auth.password ?? '') ||
      (parameters.get('username') === auth.username && parameters.get('password') === (auth.password ?? ''))
    );
  }
}

function requestedRepositories(parameters: URLSearchParams): string[] {
  return parameters
    .getAll('scope')
    .flatMap((scopes) => scopes.split(' '))
    .map((scope) => /^repository:(.+):[a-z,*]*pull[a-z,*]*$/.exec(scope)?.[1])
    .filter((repository) => repository !== undefined);
}

function basicHeader(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function unauthorized(challenge: string): AnswerPlan {
  return errorAnswer(401, 'UNAUTHORIZED', { 'WWW-Authenticate': challenge });
}
