import { type Clock, isRegistryError } from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';
import type { UserDirectory } from '../access/users.js';
import type { Grant } from './grant.js';
import type { RegistryTokens, TokenClaims } from './registry-tokens.js';

/** Who sent a token, and what it is for. */
export interface TokenBearer {
  /** '' for nobody in particular. */
  readonly name: string;
  readonly isAdministrator: boolean;
  readonly grants: readonly Grant[];
}

/** How long a token is taken for good without looking at it, ms. */
const VERIFIED_MS = 60_000;
const REMEMBERED = 10_000;
/** A token with a hundred scopes of the longest names has a third of this. */
const LONGEST = 64 * 1024;

interface Verified {
  readonly bearer: TokenBearer;
  /** By the clock, ms. */
  readonly until: number;
  readonly expiresAt: number;
  readonly generation: number;
}

/** Says who sends a token; remembers it for a minute, and for longer while the users cannot be looked up. */
export class TokenBearers {
  readonly #verified = new LRUCache<string, Verified>({ max: REMEMBERED });
  /** Tells a look-up that what it read may be from before the last change. */
  #generation = 0;

  constructor(
    private readonly tokens: RegistryTokens,
    private readonly users: UserDirectory,
    private readonly clock: Clock,
  ) {}

  /**
   * `undefined` for a token that is none of ours or not valid now, and when its user is not there any more, or has another
   * password than the one that the token was had for.
   */
  async find(text: string): Promise<TokenBearer | undefined> {
    if (text.length > LONGEST) return undefined;
    const now = this.clock.now();
    const known = this.#verified.get(text);
    if (known !== undefined && known.generation === this.#generation && now < known.until && now < known.expiresAt) {
      return known.bearer;
    }
    const claims = await this.tokens.read(text);
    if (claims === undefined) return undefined;
    const generation = this.#generation;
    const bearer = await this.#lookUp(text, claims);
    if (bearer === undefined) {
      this.#verified.delete(text);
      return undefined;
    }
    this.#verified.set(text, { bearer, until: now + VERIFIED_MS, expiresAt: claims.expiresAt, generation });
    return bearer;
  }

  /** Somebody's rights may have changed: whoever sends a token is looked up again. */
  forget(): void {
    this.#generation += 1;
  }

  async #lookUp(text: string, { user: name, credential, grants }: TokenClaims): Promise<TokenBearer | undefined> {
    if (name === '') return { name, isAdministrator: false, grants };
    try {
      const user = await this.users.find(name);
      if (user === undefined || this.tokens.credentialOf(user) !== credential) return undefined;
      return { name, isAdministrator: user.isAdministrator, grants };
    } catch (error) {
      // Pulls of cached images outlive the database, and with them whoever was pulling.
      const last = this.#verified.get(text);
      if (last !== undefined && isRegistryError(error) && error.code === 'UNAVAILABLE') return last.bearer;
      throw error;
    }
  }
}
