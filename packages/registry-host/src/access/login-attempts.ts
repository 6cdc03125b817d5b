import { type Clock, RegistryError } from '@breakwater/registry-core';
import { clientAddress } from '@breakwater/registry-http';
import { LRUCache } from 'lru-cache';

/** How long failures count, ms. */
const WINDOW_MS = 15 * 60_000;
/** Failures for one name, from wherever: few guesses, and enough for somebody who has forgotten. */
const MOST_PER_USER = 20;
/** Failures from one address, for whatever names. Behind a proxy many people share one. */
const MOST_PER_ADDRESS = 100;
const REMEMBERED = 20_000;

interface Failures {
  count: number;
  /** By the clock, ms. */
  readonly until: number;
}

/**
 * Counts wrong passwords by name and by address, in bounded memory, and says when it is too many. What was verified
 * before and is remembered is not asked for again, so that guessing at a name locks out no client that is at work.
 */
export class LoginAttempts {
  readonly #byUser = new LRUCache<string, Failures>({ max: REMEMBERED });
  readonly #byAddress = new LRUCache<string, Failures>({ max: REMEMBERED });

  constructor(private readonly clock: Clock) {}

  /**
   * Notes an attempt for a name, which `succeeded` takes back: many at once are many.
   * @throws RegistryError TOOMANYREQUESTS, with Retry-After, while no further attempt is allowed
   */
  begin(user: string, address: string): void {
    const until = Math.max(
      this.#full(this.#byUser, user, MOST_PER_USER),
      this.#full(this.#byAddress, clientAddress(address), MOST_PER_ADDRESS),
    );
    if (until === 0) {
      this.#count(this.#byUser, user);
      return;
    }
    const seconds = Math.max(1, Math.ceil((until - this.clock.now()) / 1000));
    throw new RegistryError('TOOMANYREQUESTS', `too many failed sign-ins; try again in ${seconds} s`, {
      detail: { reason: 'sign-ins' },
      headers: { 'retry-after': String(seconds) },
    });
  }

  failed(address: string): void {
    this.#count(this.#byAddress, clientAddress(address));
  }

  succeeded(user: string): void {
    this.#byUser.delete(user);
  }

  #full(failures: LRUCache<string, Failures>, key: string, most: number): number {
    const known = failures.get(key);
    return known !== undefined && known.count >= most && known.until > this.clock.now() ? known.until : 0;
  }

  #count(failures: LRUCache<string, Failures>, key: string): void {
    const known = failures.get(key);
    const now = this.clock.now();
    if (known !== undefined && known.until > now) known.count += 1;
    else failures.set(key, { count: 1, until: now + WINDOW_MS });
  }
}
