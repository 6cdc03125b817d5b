import { createHmac } from 'node:crypto';
import type { Clock } from '@breakwater/registry-core';
import { jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import type { RegistryUser } from '../access/users.js';
import type { Grant } from './grant.js';

export interface RegistryTokensOptions {
  /** 32 bytes that all processes of this registry have, for this purpose alone. */
  readonly key: Uint8Array;
  /** What this registry is called by its tokens: who makes them, and whom they are for. */
  readonly service: string;
  readonly clock: Clock;
}

/** A token that was just made. */
export interface IssuedToken {
  readonly text: string;
  /** Seconds. */
  readonly expiresIn: number;
  /** ms since the epoch. */
  readonly issuedAt: number;
}

/** Whom a token is made for. */
export type TokenOwner = Pick<RegistryUser, 'name' | 'passwordHash'>;

/** What a token says. */
export interface TokenClaims {
  /** '' for nobody in particular. */
  readonly user: string;
  /** Tells the password that the token was had for from any later one; '' for nobody's. See `credentialOf`. */
  readonly credential: string;
  readonly grants: readonly Grant[];
  /** ms since the epoch. */
  readonly expiresAt: number;
}

/** As Quay's. Rights are checked anew with each request, so that what was taken away ends at once. */
const LIFETIME_S = 3_600;
/** The one algorithm: makers and readers of these tokens are the same registry, so that there is no public key. */
const ALGORITHM = 'HS256';

/** 96 bits. */
const CREDENTIAL_LENGTH = 16;

const claims = z.object({
  sub: z.string(),
  exp: z.number(),
  credential: z.string(),
  access: z.array(
    z.object({
      type: z.literal('repository'),
      name: z.string(),
      actions: z.array(z.enum(['pull', 'push', 'delete'])),
    }),
  ),
});

/** Tokens of Docker's token protocol: JSON web tokens that this registry makes for itself. */
export class RegistryTokens {
  readonly #options: RegistryTokensOptions;

  constructor(options: RegistryTokensOptions) {
    this.#options = options;
  }

  get service(): string {
    return this.#options.service;
  }

  /** Makes a token; for `undefined` one of nobody in particular. */
  async issue(owner: TokenOwner | undefined, grants: readonly Grant[]): Promise<IssuedToken> {
    const { key, service, clock } = this.#options;
    const issuedAt = clock.now();
    const seconds = Math.floor(issuedAt / 1000);
    const text = await new SignJWT({ access: grants, credential: this.credentialOf(owner) })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
      .setSubject(owner?.name ?? '')
      .setIssuer(service)
      .setAudience(service)
      .setIssuedAt(seconds)
      .setNotBefore(seconds)
      .setExpirationTime(seconds + LIFETIME_S)
      .sign(key);
    return { text, expiresIn: LIFETIME_S, issuedAt };
  }

  /**
   * What a token carries of the password behind it: another one after every new password, also of an account that was made
   * anew under its name. It tells nothing of the password, nor of its hash.
   */
  credentialOf(owner: TokenOwner | undefined): string {
    if (owner === undefined) return '';
    const text = `the credential of ${owner.name}: ${owner.passwordHash}`;
    return createHmac('sha256', this.#options.key).update(text).digest('base64url').slice(0, CREDENTIAL_LENGTH);
  }

  /** What a token says; `undefined` for one that is not ours, not for us, changed, not valid yet or not any more (S28). */
  async read(text: string): Promise<TokenClaims | undefined> {
    const { key, service, clock } = this.#options;
    try {
      const { payload } = await jwtVerify(text, key, {
        algorithms: [ALGORITHM],
        issuer: service,
        audience: service,
        currentDate: new Date(clock.now()),
        requiredClaims: ['sub', 'iss', 'aud', 'exp', 'nbf', 'access', 'credential'],
      });
      const { sub, exp, access, credential } = claims.parse(payload);
      return { user: sub, credential, grants: access, expiresAt: exp * 1000 };
    } catch {
      // Whatever is wrong with it, the answer is the same.
      return undefined;
    }
  }
}
