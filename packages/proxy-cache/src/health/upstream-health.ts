import { type Clock, FAILURE_CLASSES, type Logger, type ProxyCacheSettings } from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';
import type { HealthFacts } from '../decision/decide-pull.js';
import type { Emit } from '../events.js';
import type { HealthKey, UpstreamHealthTable } from '../postgres/upstream-health-table.js';
import { upstreamEndpoint } from '../upstream/endpoint.js';
import { UpstreamError } from '../upstream/upstream-error.js';
import {
  afterFailure,
  afterSuccess,
  type FailedCheck,
  type HealthRecord,
  isRateLimitLow,
  type ToldRateLimit,
  UNKNOWN_HEALTH,
} from './health-record.js';

/** Whose health: the origin that an organization's registry is at, and the credential it is asked with. */
export interface HealthScope {
  readonly origin: string;
  /** Organization and version of the credentials; all that ask anonymously share the limits of our address. */
  readonly credential: string;
}

/** Failures of a check which make the whole origin known to be down (P8). */
const ORIGIN_CLASSES: ReadonlySet<string> = new Set([
  'connect',
  'dns',
  'tls',
  'timeout',
  'protocol',
  'server_error',
  'auth',
]);
/** How old what we remember may be before Postgres is asked again, and how often a success is written. Milliseconds. */
const REREAD_AFTER_MS = 1_000;
const SUCCESS_WRITE_EVERY_MS = 10_000;
const RATE_LIMIT_WRITE_EVERY_MS = 10_000;
const MAX_ORIGINS = 1_000;
const ORIGIN_ITSELF = '';

interface Remembered {
  /** Monotonic. */
  readAt: number;
  readonly records: Map<string, HealthRecord>;
}

/** The only breaker: the health of upstreams, shared through Postgres and kept over restarts. */
export class UpstreamHealth {
  readonly #remembered = new LRUCache<string, Remembered>({ max: MAX_ORIGINS });
  readonly #scopes = new WeakMap<ProxyCacheSettings, HealthScope>();
  /** The token server that each registry names. */
  readonly #tokenServers = new Map<string, string>();

  constructor(
    private readonly table: UpstreamHealthTable,
    private readonly clock: Clock,
    private readonly emit: Emit,
    private readonly logger: Logger,
  ) {}

  /** Whose health matters to an organization's pulls. Worked out once per settings, since every pull asks. */
  scopeOf(settings: ProxyCacheSettings): HealthScope {
    const known = this.#scopes.get(settings);
    if (known !== undefined) return known;
    const scope = healthScope(settings);
    this.#scopes.set(settings, scope);
    return scope;
  }

  /** What is remembered, without asking anybody. */
  peek(scope: HealthScope): HealthFacts {
    const records = this.#needed(scope).map((key) => this.#remembered.get(key.origin)?.records.get(key.credential));
    return toFacts(records, this.clock.now());
  }

  /** What the cluster knows, at most a second old. Without Postgres: what this process knows. */
  async facts(scope: HealthScope): Promise<HealthFacts> {
    await Promise.all(this.#origins(scope.origin).map((origin) => this.#refresh(origin)));
    return this.peek(scope);
  }

  /** A registry names a token server: from now on the health of both decides whether its tags are checked. */
  async nameTokenServer(registry: string, tokenServer: string): Promise<void> {
    if (registry === tokenServer || this.#tokenServers.get(registry) === tokenServer) return;
    if (this.#tokenServers.size >= MAX_ORIGINS) this.#tokenServers.clear();
    this.#tokenServers.set(registry, tokenServer);
    try {
      await this.table.setTokenServer(registry, tokenServer);
    } catch (error) {
      this.logger.warn({ err: error, registry }, 'the token server of an upstream could not be written down');
    }
  }

  /** The registries whose tags can show how an origin is: itself, and those that get their tokens from it. */
  registriesBehind(origin: string): readonly string[] {
    const named = [...this.#tokenServers].filter(([, tokenServer]) => tokenServer === origin);
    return [origin, ...named.map(([registry]) => registry)];
  }

  /**
   * Whether a request that nothing can take the place of may be sent: not while a Retry-After is in force (design 4).
   * @throws UpstreamError class `rate_limited`
   */
  async assertMayAsk(settings: ProxyCacheSettings): Promise<void> {
    const { retryAfterUntil = 0 } = await this.facts(this.scopeOf(settings));
    const leftMs = retryAfterUntil - this.clock.now();
    if (leftMs > 0) throw rateLimited(leftMs);
  }

  /** The record of an origin itself. */
  async record(origin: string): Promise<HealthRecord> {
    await this.#refresh(origin);
    return this.#remembered.get(origin)?.records.get(ORIGIN_ITSELF) ?? UNKNOWN_HEALTH;
  }

  /** What an organization's pulls depend on: of the registry and its token server, the one that is down, if one is. */
  async records(scope: HealthScope): Promise<{ readonly origin: HealthRecord; readonly credential: HealthRecord }> {
    await this.facts(scope);
    const recordOf = (key: HealthKey) => this.#remembered.get(key.origin)?.records.get(key.credential);
    const worst = (records: readonly (HealthRecord | undefined)[]) =>
      records.find((record) => record?.downSince !== undefined) ?? records[0] ?? UNKNOWN_HEALTH;
    const needed = this.#needed(scope);
    return {
      origin: worst(needed.filter(({ credential }) => credential === ORIGIN_ITSELF).map(recordOf)),
      credential: worst(needed.filter(({ credential }) => credential !== ORIGIN_ITSELF).map(recordOf)),
    };
  }

  /** The upstream answered as a registry does, whatever it said. */
  async heard(scope: HealthScope): Promise<void> {
    await this.#succeed({ origin: scope.origin, credential: ORIGIN_ITSELF });
  }

  /** The upstream answered positively, so that whatever was down of what that takes is not. */
  async succeeded(scope: HealthScope): Promise<void> {
    await this.heard(scope);
    for (const key of this.#needed(scope)) await this.#recover(key);
  }

  /** Another origin than the registry's sent content: a content server, behind a redirect. */
  async sent(origin: string): Promise<void> {
    await this.#recover({ origin, credential: ORIGIN_ITSELF });
  }

  /**
   * A request failed, at the origin that the error names, else at the registry. Refusals show that the upstream is up; a
   * rate limit concerns the credential only.
   */
  async failed(scope: HealthScope, error: UpstreamError, claimed: boolean): Promise<void> {
    const { failureClass } = error;
    const at = { origin: error.origin ?? scope.origin, credential: scope.credential };
    if (failureClass === 'removed' || failureClass === 'denied' || error.isOfContent) return this.heard(at);
    if (FAILURE_CLASSES[failureClass].shields !== 'always') return;
    const failed: FailedCheck = {
      failureClass,
      claimed,
      ...(error.upstreamStatus === undefined ? {} : { upstreamStatus: error.upstreamStatus }),
      ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    };
    if (failureClass === 'rate_limited') {
      await this.heard(at);
      await this.#fail(at, failed);
    } else if (ORIGIN_CLASSES.has(failureClass)) {
      await this.#fail({ origin: at.origin, credential: ORIGIN_ITSELF }, failed);
    }
  }

  /** Reads what is known to be down, so that a restart during an outage costs no time-out. */
  async load(): Promise<void> {
    for (const [registry, tokenServer] of await this.table.tokenServers())
      this.#tokenServers.set(registry, tokenServer);
    for (const { key, record } of await this.table.knownDown()) this.#remember(key, record);
  }

  /** The origins that the cluster knows to be down. Without Postgres: those that this process knows of. */
  async knownDown(): Promise<readonly string[]> {
    const keys = await this.table.knownDown().then(
      (down) => down.map(({ key }) => key),
      () =>
        [...this.#remembered.entries()].flatMap(([origin, { records }]) =>
          [...records.entries()]
            .filter(([, record]) => record.downSince !== undefined)
            .map(([credential]) => ({ origin, credential })),
        ),
    );
    return keys.filter(({ credential }) => credential === ORIGIN_ITSELF).map(({ origin }) => origin);
  }

  /** Notes what an upstream tells of a credential's rate limit; written when it matters, or has not been for a while. */
  noteRateLimit(settings: ProxyCacheSettings, told: Omit<ToldRateLimit, 'at'>): void {
    const key = this.scopeOf(settings);
    const now = this.clock.now();
    const known = this.#remembered.get(key.origin)?.records.get(key.credential) ?? UNKNOWN_HEALTH;
    const noted = { ...known, rateLimit: { ...told, at: now } };
    this.#remember(key, noted);
    const becomesLow = isRateLimitLow(noted, now) && !isRateLimitLow(known, now);
    if (becomesLow) {
      const { limit, remaining } = told;
      const about = { organization: settings.organization, origin: key.origin, limit, remaining };
      this.emit('rate-limit-low', { ...about, failureClass: 'rate_limited' });
    }
    const isNews = becomesLow || isRateLimitLow(known, now) !== isRateLimitLow(noted, now);
    if (!isNews && now - (known.rateLimit?.at ?? 0) < RATE_LIMIT_WRITE_EVERY_MS) return;
    void this.#change(key, (record) => ({ ...record, rateLimit: { ...told, at: now } }));
  }

  /** What is known to be down and due for a check. */
  due(): readonly HealthKey[] {
    const now = this.clock.now();
    return [...this.#remembered.entries()].flatMap(([origin, { records }]) =>
      [...records.entries()]
        .filter(([, record]) => record.downSince !== undefined && (record.nextCheckAt ?? 0) <= now)
        .map(([credential]) => ({ origin, credential })),
    );
  }

  /** Takes a due check for this process; false when another one was faster. */
  async claim(key: HealthKey, leaseMs: number): Promise<boolean> {
    const now = this.clock.now();
    const claimed = await this.table.claimCheck(key, now, now + leaseMs);
    const remembered = this.#remembered.get(key.origin);
    // Whoever has it, it is not due for us any more; what came of it is read with the next refresh.
    const record = remembered?.records.get(key.credential);
    if (record !== undefined) remembered?.records.set(key.credential, { ...record, nextCheckAt: now + leaseMs });
    if (!claimed && remembered !== undefined) {
      remembered.readAt = Number.NEGATIVE_INFINITY;
      await this.#refresh(key.origin);
    }
    return claimed;
  }

  /** The origins that a check of a registry takes. */
  #origins(registry: string): readonly string[] {
    const tokenServer = this.#tokenServers.get(registry);
    return tokenServer === undefined ? [registry] : [registry, tokenServer];
  }

  /** The records that decide whether a registry is asked with a credential. */
  #needed({ origin: registry, credential }: HealthScope): readonly HealthKey[] {
    return this.#origins(registry).flatMap((origin) => [
      { origin, credential: ORIGIN_ITSELF },
      { origin, credential },
    ]);
  }

  async #recover(key: HealthKey): Promise<void> {
    const record = this.#remembered.get(key.origin)?.records.get(key.credential);
    if (record?.downSince !== undefined) await this.#succeed(key);
  }

  async #refresh(origin: string): Promise<void> {
    const remembered = this.#remembered.get(origin);
    if (remembered !== undefined && performance.now() - remembered.readAt < REREAD_AFTER_MS) return;
    try {
      const records = new Map(await this.table.findAll(origin));
      this.#remembered.set(origin, { readAt: performance.now(), records });
    } catch (error) {
      this.logger.warn(
        { err: error, origin },
        'the health of an upstream could not be read; going on with what is known',
      );
      if (remembered !== undefined) remembered.readAt = performance.now();
    }
  }

  async #succeed(key: HealthKey): Promise<void> {
    const now = this.clock.now();
    const known = this.#remembered.get(key.origin)?.records.get(key.credential);
    const isNews = known?.downSince !== undefined || now - (known?.lastSuccessAt ?? 0) >= SUCCESS_WRITE_EVERY_MS;
    if (!isNews) return;
    this.#remember(key, afterSuccess(known ?? UNKNOWN_HEALTH, now));
    const before = (await this.#change(key, (record) => afterSuccess(record, now))) ?? known;
    if (before?.downSince !== undefined && key.credential === ORIGIN_ITSELF) {
      this.emit('upstream-recovered', { origin: key.origin, downForMs: Math.max(0, now - before.downSince) });
    }
  }

  async #fail(key: HealthKey, failed: FailedCheck): Promise<void> {
    const now = this.clock.now();
    const random = Math.random();
    const known = this.#remembered.get(key.origin)?.records.get(key.credential) ?? UNKNOWN_HEALTH;
    this.#remember(key, afterFailure(known, failed, now, random));
    const before = (await this.#change(key, (record) => afterFailure(record, failed, now, random))) ?? known;
    if (before.downSince === undefined) {
      this.emit('upstream-down', { origin: key.origin, failureClass: failed.failureClass });
    }
  }

  /** Resolves to the record before; `undefined` when Postgres could not be asked. */
  async #change(key: HealthKey, change: (record: HealthRecord) => HealthRecord): Promise<HealthRecord | undefined> {
    try {
      const { before, after } = await this.table.change(key, change);
      this.#remember(key, after);
      return before;
    } catch (error) {
      this.logger.warn({ err: error, origin: key.origin }, 'the health of an upstream could not be written');
      return undefined;
    }
  }

  #remember(key: HealthKey, record: HealthRecord): void {
    const remembered = this.#remembered.get(key.origin);
    if (remembered === undefined) {
      const records = new Map([[key.credential, record]]);
      this.#remembered.set(key.origin, { readAt: Number.NEGATIVE_INFINITY, records });
    } else {
      remembered.records.set(key.credential, record);
    }
  }
}

/** What a pull fails with while the `Retry-After` of a 429 is in force, `leftMs` milliseconds more. */
export function rateLimited(leftMs: number): UpstreamError {
  const facts = { upstreamStatus: 429, retryAfterMs: leftMs };
  return new UpstreamError('rate_limited', 'the upstream asked us to wait', facts);
}

function healthScope(settings: ProxyCacheSettings): HealthScope {
  const credential =
    settings.credentials === undefined ? 'anonymous' : `${settings.organization}:${settings.credentialVersion}`;
  return { origin: upstreamEndpoint(settings).origin, credential };
}

function toFacts(records: readonly (HealthRecord | undefined)[], now: number): HealthFacts {
  const down = records.find((record) => record?.downSince !== undefined);
  const retryAfterUntil = Math.max(0, ...records.map((record) => record?.retryAfterUntil ?? 0));
  return {
    ...(down?.downSince === undefined || down.failureClass === undefined
      ? {}
      : { down: { since: down.downSince, failureClass: down.failureClass } }),
    ...(retryAfterUntil === 0 ? {} : { retryAfterUntil }),
    ...(records.some((record) => isRateLimitLow(record, now)) ? { rateLimitLow: true } : {}),
  };
}
