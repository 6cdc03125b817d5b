import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import type { Clock } from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';

/** A token for programs, as its owner sees it. Times are ms since the epoch. */
export interface ApiToken {
  readonly id: string;
  readonly userName: string;
  readonly title: string;
  readonly createdAt: number;
  /** `undefined` = never. */
  readonly expiresAt: number | undefined;
  /** At most an hour late. */
  readonly lastUsedAt: number | undefined;
}

/** A token as it is stored, with what decides about it. */
export interface StoredApiToken extends ApiToken {
  readonly secretHash: Uint8Array;
  readonly isAdministrator: boolean;
}

/** Where tokens are kept. Every method throws RegistryError UNAVAILABLE without it. */
export interface ApiTokenStore {
  /** False when there is no such user; robots are none. */
  create(token: ApiToken & { readonly secretHash: Uint8Array }): Promise<boolean>;
  find(id: string): Promise<StoredApiToken | undefined>;
  noteUse(id: string, at: number): Promise<void>;
}

/** How long a verified token is taken for good without asking, ms; a revoked one is forgotten at once. */
const VERIFIED_MS = 60_000;
const NOTE_EVERY_MS = 60 * 60_000;
const REMEMBERED = 10_000;
/** Begins with a word of ours, so that scanners for leaked secrets can find it. */
const TOKEN = /^bwt_([0-9a-f]{32})_([A-Za-z0-9_-]{43})$/;

interface Verified {
  readonly token: StoredApiToken;
  readonly until: number;
}

/** Makes tokens and verifies them. A token is `bwt_`, its id, and a random secret of which only the hash is stored. */
export class ApiTokens {
  readonly #verified = new LRUCache<string, Verified>({ max: REMEMBERED });
  #generation = 0;

  constructor(
    private readonly store: ApiTokenStore,
    private readonly clock: Clock,
  ) {}

  /**
   * Makes a token that lasts so many seconds, or for ever, and resolves to it and to the text that is shown once;
   * `undefined` for whoever is no user.
   */
  async create(
    userName: string,
    title: string,
    lifetimeS: number | undefined,
  ): Promise<{ readonly token: ApiToken; readonly text: string } | undefined> {
    const id = randomUUID().replaceAll('-', '');
    const secret = randomBytes(32).toString('base64url');
    const createdAt = this.clock.now();
    const expiresAt = lifetimeS === undefined ? undefined : createdAt + lifetimeS * 1000;
    const token = { id, userName, title, createdAt, expiresAt, lastUsedAt: undefined };
    if (!(await this.store.create({ ...token, secretHash: hashOf(secret) }))) return undefined;
    return { token, text: `bwt_${id}_${secret}` };
  }

  /** Who a token speaks for; `undefined` for one that is wrong, revoked or expired. */
  async verify(text: string): Promise<{ readonly name: string; readonly isAdministrator: boolean } | undefined> {
    const [, id = '', secret = ''] = TOKEN.exec(text) ?? [];
    if (id === '') return undefined;
    const stored = await this.#find(id);
    if (stored === undefined || !timingSafeEqual(hashOf(secret), stored.secretHash)) return undefined;
    const now = this.clock.now();
    if (stored.expiresAt !== undefined && now >= stored.expiresAt) return undefined;
    if (now - (stored.lastUsedAt ?? 0) >= NOTE_EVERY_MS) await this.#noteUse(stored, now);
    return { name: stored.userName, isAdministrator: stored.isAdministrator };
  }

  /** Forgets what was verified, because rights may have changed. */
  forget(): void {
    this.#generation += 1;
    this.#verified.clear();
  }

  async #find(id: string): Promise<StoredApiToken | undefined> {
    const verified = this.#verified.get(id);
    if (verified !== undefined && this.clock.now() < verified.until) return verified.token;
    const generation = this.#generation;
    const token = await this.store.find(id);
    if (token !== undefined && generation === this.#generation) this.#remember(token);
    return token;
  }

  async #noteUse(token: StoredApiToken, at: number): Promise<void> {
    this.#remember({ ...token, lastUsedAt: at });
    await this.store.noteUse(token.id, at);
  }

  #remember(token: StoredApiToken): void {
    this.#verified.set(token.id, { token, until: this.clock.now() + VERIFIED_MS });
  }
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
