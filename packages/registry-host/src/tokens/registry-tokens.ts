import type { Clock } from '@breakwater/registry-core';
import { jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
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

/** What a token says. `user` is '' for nobody in particular. */
export interface TokenClaims {
  readonly user: string;
  readonly grants: readonly Grant[];
  /** ms since the epoch. */
  readonly expiresAt: number;
}

/** As Quay's. Rights are checked anew with each request, so that what was taken away ends at once. */
const LIFETIME_S = 3_600;
/** The one algorithm: makers and readers of these tokens are the same registry, so that there is no public key. */
const ALGORITHM = 'HS256';

const claims = z.object({
  sub: z.string(),
  exp: z.number(),
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

  async issue(user: string, grants: readonly Grant[]): Promise<IssuedToken> {
    const { key, service, clock } = this.#options;
    const issuedAt = clock.now();
    const seconds = Math.floor(issuedAt / 1000);
    const text = await new SignJWT({ access: grants })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
      .setSubject(user)
      .setIssuer(service)
      .setAudience(service)
      .setIssuedAt(seconds)
      .setNotBefore(seconds)
      .setExpirationTime(seconds + LIFETIME_S)
      .sign(key);
    return { text, expiresIn: LIFETIME_S, issuedAt };
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
        requiredClaims: ['sub', 'iss', 'aud', 'exp', 'nbf', 'access'],
      });
      const { sub, exp, access } = claims.parse(payload);
      return { user: sub, grants: access, expiresAt: exp * 1000 };
    } catch {
      // Whatever is wrong with it, the answer is the same.
      return undefined;
    }
  }
}
