import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Clock } from '@breakwater/registry-core';
import { parseCookie, stringifySetCookie } from 'cookie';

/** Somebody's session as it is stored. Times are ms since the epoch. */
export interface StoredSession {
  readonly userName: string;
  readonly isAdministrator: boolean;
  readonly createdAt: number;
  readonly lastUsedAt: number;
}

/** Where sessions are kept, under the hash of their id. Every method throws RegistryError UNAVAILABLE without it. */
export interface SessionStore {
  create(idHash: Uint8Array, userName: string, at: number): Promise<void>;
  find(idHash: Uint8Array): Promise<StoredSession | undefined>;
  touch(idHash: Uint8Array, at: number): Promise<void>;
  remove(idHash: Uint8Array): Promise<void>;
  /** Removes those that were made, or used last, before a time. */
  prune(createdBefore: number, usedBefore: number): Promise<void>;
}

/** A session that a request belongs to. */
export interface Session extends StoredSession {
  /** What a write has to send in `X-CSRF-Token`. */
  readonly csrfToken: string;
  /** When it ends if nothing is asked with it any more; ms since the epoch. */
  readonly idleUntil: number;
  /** When it ends however much it is used; ms since the epoch. */
  readonly endsAt: number;
}

/** How long a session may be left alone, ms. */
export const SESSION_IDLE_MS = 2 * 60 * 60_000;
/** How long a session lasts however much it is used, ms. */
export const SESSION_LONGEST_MS = 24 * 60 * 60_000;
/** Uses are written down so often, ms. */
const TOUCH_EVERY_MS = 60_000;
const ID_BYTES = 32;
const ID = /^[A-Za-z0-9_-]{43}$/;

export interface SessionsOptions {
  readonly store: SessionStore;
  readonly clock: Clock;
  /** Whether clients come by https, so that the cookie must never travel without. */
  readonly secure: boolean;
}

/**
 * Sessions of the page: an opaque random id in a cookie that scripts cannot read and other sites cannot make a browser
 * send. The CSRF token is derived from the id, so that only who has the session can know it, and nothing is stored for it.
 */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #cookieName: string;

  constructor(options: SessionsOptions) {
    this.#options = options;
    // Browsers take `__Host-` only from https, and then never from another host or path.
    this.#cookieName = options.secure ? '__Host-breakwater-session' : 'breakwater-session';
  }

  /** Begins a session, and resolves to it and to the `Set-Cookie` that carries it. */
  async begin(user: { readonly name: string; readonly isAdministrator: boolean }): Promise<{
    readonly session: Session;
    readonly cookie: string;
  }> {
    const { store, clock } = this.#options;
    const id = randomBytes(ID_BYTES).toString('base64url');
    const at = clock.now();
    await store.prune(at - SESSION_LONGEST_MS, at - SESSION_IDLE_MS);
    await store.create(hashOf(id), user.name, at);
    const stored = { userName: user.name, isAdministrator: user.isAdministrator, createdAt: at, lastUsedAt: at };
    return { session: sessionOf(id, stored), cookie: this.#cookie(id, SESSION_LONGEST_MS / 1000) };
  }

  /** The session of a request; `undefined` without one, or with one that has ended. */
  async find(request: IncomingMessage): Promise<Session | undefined> {
    const id = this.#idOf(request);
    if (id === undefined) return undefined;
    const { store, clock } = this.#options;
    const stored = await store.find(hashOf(id));
    if (stored === undefined) return undefined;
    const now = clock.now();
    const session = sessionOf(id, stored);
    if (now >= session.idleUntil || now >= session.endsAt) return undefined;
    if (now - stored.lastUsedAt < TOUCH_EVERY_MS || isBackgroundRefresh(request)) return session;
    await store.touch(hashOf(id), now);
    return sessionOf(id, { ...stored, lastUsedAt: now });
  }

  /** Ends the session of a request, if there is one, and resolves to the `Set-Cookie` that takes the cookie away. */
  async end(request: IncomingMessage): Promise<string> {
    const id = this.#idOf(request);
    if (id !== undefined) await this.#options.store.remove(hashOf(id));
    return this.#cookie('', 0);
  }

  #idOf(request: IncomingMessage): string | undefined {
    const id = parseCookie(request.headers.cookie ?? '')[this.#cookieName];
    return id !== undefined && ID.test(id) ? id : undefined;
  }

  #cookie(value: string, maxAge: number): string {
    const { secure } = this.#options;
    return stringifySetCookie({
      name: this.#cookieName,
      value,
      path: '/',
      httpOnly: true,
      sameSite: 'strict',
      secure,
      maxAge,
    });
  }
}

/**
 * Whether nobody is behind a request: a page that is left open asks by itself, and would never let its session be left alone.
 * Whoever says so without need only has a shorter session.
 */
function isBackgroundRefresh({ headers }: IncomingMessage): boolean {
  return headers['x-background-refresh'] !== undefined;
}

/** Whether a request carries the CSRF token of its session. */
export function hasCsrfToken(request: IncomingMessage, session: Session): boolean {
  const sent = request.headers['x-csrf-token'];
  if (typeof sent !== 'string' || sent.length !== session.csrfToken.length) return false;
  return timingSafeEqual(hashOf(sent), hashOf(session.csrfToken));
}

function sessionOf(id: string, stored: StoredSession): Session {
  return {
    ...stored,
    csrfToken: createHmac('sha256', id).update('breakwater csrf token').digest('base64url'),
    idleUntil: stored.lastUsedAt + SESSION_IDLE_MS,
    endsAt: stored.createdAt + SESSION_LONGEST_MS,
  };
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
