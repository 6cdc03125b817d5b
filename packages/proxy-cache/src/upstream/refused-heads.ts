import type { Clock } from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';

const REMEMBER_MS = 60 * 60_000;
const MAX_ORIGINS = 1_000;

interface Refusal {
  readonly path: string;
  readonly at: number;
  readonly confirmed: boolean;
}

/**
 * Origins that do not answer HEAD (F50), remembered for an hour so that it is not asked in vain before each GET. A refusal
 * counts once GET of the same path was answered: otherwise it may be the request that was refused and not its method.
 */
export class RefusedHeads {
  readonly #origins = new LRUCache<string, Refusal>({ max: MAX_ORIGINS });

  constructor(private readonly clock: Clock) {}

  /** Whether it is known that an origin does not answer HEAD. */
  has(origin: string): boolean {
    const known = this.#origins.get(origin);
    return known?.confirmed === true && this.clock.now() - known.at < REMEMBER_MS;
  }

  noteRefused(origin: string, path: string): void {
    this.#origins.set(origin, { path, at: this.clock.now(), confirmed: false });
  }

  /** GET was answered with what was asked for. */
  noteAnswered(origin: string, path: string): void {
    const known = this.#origins.get(origin);
    if (known?.path === path && !known.confirmed) this.#origins.set(origin, { ...known, confirmed: true });
  }
}
