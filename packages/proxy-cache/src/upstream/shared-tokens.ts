import { createHash } from 'node:crypto';
import type { Clock, KeyValueStore } from '@breakwater/registry-core';
import { bearerHeader, MAX_LIFETIME_MS, type Token } from './token.js';

const SCHEME = 'Bearer ';

/** Tokens that the processes of a cluster have from each other, so that each one is fetched once for all. Nothing rejects. */
export class SharedTokens {
  constructor(
    private readonly store: KeyValueStore,
    private readonly clock: Clock,
  ) {}

  /** The token that was kept under a key, unless it has expired. Whatever else is there counts as none (S31). */
  async find(key: string): Promise<Token | undefined> {
    try {
      return this.#read(await this.store.get(storeKey(key)));
    } catch {
      return undefined;
    }
  }

  /** Keeps a token until it expires. Waits for nobody. */
  keep(key: string, { header, renewAt, expiresAt }: Token): void {
    const value = JSON.stringify({ token: header.slice(SCHEME.length), renewAt, expiresAt });
    this.store.set(storeKey(key), value, expiresAt - this.clock.now()).catch(() => undefined);
  }

  #read(value: string | undefined): Token | undefined {
    if (value === undefined) return undefined;
    const { token, renewAt, expiresAt } = (JSON.parse(value) ?? {}) as Readonly<Record<string, unknown>>;
    const header = bearerHeader(token);
    if (header === undefined || typeof renewAt !== 'number' || typeof expiresAt !== 'number') return undefined;
    const now = this.clock.now();
    if (expiresAt <= now) return undefined;
    const latest = now + MAX_LIFETIME_MS;
    return {
      header,
      renewAt: Math.min(renewAt, latest),
      expiresAt: Math.min(expiresAt, latest),
      borrowed: true,
    };
  }
}

/** Of one length, and without the names of organizations and repositories for whoever looks into the store. */
function storeKey(key: string): string {
  return `upstream-token:${createHash('sha256').update(key).digest('base64url')}`;
}
