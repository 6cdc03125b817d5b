import { createHmac, randomBytes } from 'node:crypto';
import { type Clock, FAILURE_CLASSES, isRegistryError, RegistryError } from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';
import type { BasicCredentials } from './basic-credentials.js';
import { LoginAttempts } from './login-attempts.js';
import { unknownPasswordHash, verifyPassword } from './password.js';
import type { RegistryUser, UserDirectory } from './users.js';

/** How long a verified credential is taken for good without hashing, ms. A changed password works on for as long. */
const VERIFIED_MS = 60_000;
/** How long a wrong one is refused without hashing, ms: enough for a client that repeats itself, too short to annoy. */
const REFUSED_MS = 1_000;
const REMEMBERED = 10_000;
/** Hashes at once. They run on the threads that read files, of which there are four by default. */
const HASHES_AT_ONCE = 2;
const HASHES_WAITING = 64;
/** Longer ones are nobody's: hashing them would only cost. */
const LONGEST = 1_024;

interface Verdict {
  readonly user: RegistryUser | undefined;
  /** By the clock, ms. */
  readonly until: number;
  readonly generation: number;
}

/**
 * Verifies names and passwords: what was verified is remembered under a keyed hash with a key that never leaves the
 * process, is looked up again once a minute, hashed again only when the password was changed, and holds for longer while
 * the users cannot be looked up. Equal credentials that arrive together are hashed once. An unknown name costs
 * what a wrong password costs.
 */
export class CredentialVerifier {
  readonly #users: UserDirectory;
  readonly #clock: Clock;
  readonly #key = randomBytes(32);
  readonly #unknown = unknownPasswordHash();
  readonly #attempts: LoginAttempts;
  readonly #verdicts = new LRUCache<string, Verdict>({ max: REMEMBERED });
  readonly #running = new Map<string, Promise<RegistryUser | undefined>>();
  readonly #waiting: (() => void)[] = [];
  #hashing = 0;
  /** Tells a verification that what it read may be from before the last change. */
  #generation = 0;

  constructor(options: { readonly users: UserDirectory; readonly clock: Clock }) {
    this.#users = options.users;
    this.#clock = options.clock;
    this.#attempts = new LoginAttempts(options.clock);
  }

  /**
   * The user; `undefined` when name or password is wrong. `address` is where they come from.
   *
   * @throws RegistryError UNAVAILABLE (detail.reason "overload") while too many others wait to be verified, and
   *   TOOMANYREQUESTS after too many wrong ones for this name or from this address
   */
  async verify(credentials: BasicCredentials, address: string): Promise<RegistryUser | undefined> {
    if (credentials.username.length > LONGEST || credentials.password.length > LONGEST) return undefined;
    const key = this.#keyOf(credentials);
    const verdict = this.#verdicts.get(key);
    if (verdict !== undefined && this.#holds(verdict)) return verdict.user;
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    // Only what was never seen is a guess: neither who is at work, nor a client that repeats an old password, is kept out
    // or keeps others out.
    const isGuess = verdict === undefined;
    if (isGuess) this.#attempts.begin(credentials.username, address);
    const verification = this.#find(credentials, key, verdict)
      .then((user) => {
        if (user !== undefined) this.#attempts.succeeded(credentials.username);
        else if (isGuess) this.#attempts.failed(address);
        return user;
      })
      .finally(() => this.#running.delete(key));
    this.#running.set(key, verification);
    return verification;
  }

  /** A password or a right may have changed: whoever was verified is looked up again, and hashed only if it did. */
  forget(): void {
    this.#generation += 1;
  }

  #holds({ until, generation }: Verdict): boolean {
    return generation === this.#generation && this.#clock.now() < until;
  }

  async #find(
    credentials: BasicCredentials,
    key: string,
    last: Verdict | undefined,
  ): Promise<RegistryUser | undefined> {
    const generation = this.#generation;
    try {
      const user = await this.#users.find(credentials.username);
      const unchanged = last?.user !== undefined && last.user.passwordHash === user?.passwordHash;
      const verified = unchanged || (await this.#isRight(credentials, user)) ? user : undefined;
      const until = this.#clock.now() + (verified === undefined ? REFUSED_MS : VERIFIED_MS);
      this.#verdicts.set(key, { user: verified, until, generation });
      return verified;
    } catch (error) {
      // Pulls of cached images outlive the database, and with them whoever was pulling.
      if (last?.user !== undefined && isRegistryError(error) && error.code === 'UNAVAILABLE') return last.user;
      throw error;
    }
  }

  #isRight({ password }: BasicCredentials, user: RegistryUser | undefined): Promise<boolean> {
    return this.#inTurn(() => verifyPassword(password, user?.passwordHash ?? this.#unknown));
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#hashing >= HASHES_AT_ONCE) {
      if (this.#waiting.length >= HASHES_WAITING) throw overloaded();
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#hashing += 1;
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // The place is handed on, so that nobody who comes in between can take it as well.
      if (next === undefined) this.#hashing -= 1;
      else next();
    }
  }

  /** The length keeps ("a", "b:c") and ("a:b", "c") apart. */
  #keyOf({ username, password }: BasicCredentials): string {
    return createHmac('sha256', this.#key).update(`${username.length}:${username}:${password}`).digest('base64');
  }
}

/**
 * Whether verifying failed with no word on the credentials: too many were wrong before, too many wait, or the users cannot be
 * looked up.
 */
export function isUndecided(error: unknown): boolean {
  return isRegistryError(error) && (error.code === 'TOOMANYREQUESTS' || error.code === 'UNAVAILABLE');
}

function overloaded(): RegistryError {
  const { status, phrase } = FAILURE_CLASSES.overload;
  return new RegistryError('UNAVAILABLE', 'too many sign-ins at once', {
    status,
    reasonPhrase: phrase,
    detail: { reason: 'overload' },
    headers: { 'retry-after': '5' },
  });
}
