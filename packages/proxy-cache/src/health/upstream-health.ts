import {
  type Clock,
  FAILURE_CLASSES,
  type Logger,
  type OrganizationName,
  type ProxyCacheSettings,
} from '@breakwater/registry-core';
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
  /** What this process has written, or is writing, by credential: what was read before that is older. */
  readonly own: Map<string, { at: number; writing: number }>;
}

/** What the cluster knows of an origin, or of a credential at it. */
export interface KnownHealth {
  readonly origin: string;
  readonly isOrigin: boolean;
  readonly organization?: OrganizationName;
  readonly record: HealthRecord;
}

/** The statements that health needs. */
export type HealthRows = Pick<
  UpstreamHealthTable,
  'findAll' | 'latest' | 'tokenServers' | 'setTokenServer' | 'knownDown' | 'change' | 'claimCheck'
>;

/** Finds the organizations of which something is cached that came from one of these registries, each an origin. */
export type FindOrganizations = (registries: readonly string[]) => Promise<readonly OrganizationName[]>;

/** The only breaker: the health of upstreams, shared through Postgres and kept over restarts. */
export class UpstreamHealth {
  readonly #remembered = new LRUCache<string, Remembered>({ max: MAX_ORIGINS });
  readonly #scopes = new WeakMap<ProxyCacheSettings, HealthScope>();
  /** The token server that each registry names. */
  readonly #tokenServers = new Map<string, string>();
  /** Numbers what this process changes and reads, in their order. */
  #steps = 0;

  constructor(
    private readonly table: HealthRows,
    private readonly clock: Clock,
    private readonly emit: Emit,
    private readonly logger: Logger,
    private readonly findOrganizations: FindOrganizations = async () => [],
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
    const records = this.#needed(scope).map((key) => this.#known(key));
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
    const leftMs = await this.#forbiddenMs(settings);
    if (leftMs > 0) throw rateLimited(leftMs);
  }

  /** Whether no Retry-After is in force for the credential of an organization. */
  async mayAsk(settings: ProxyCacheSettings): Promise<boolean> {
    return (await this.#forbiddenMs(settings)) <= 0;
  }

  /** The record of an origin itself. */
  async record(origin: string): Promise<HealthRecord> {
    await this.#refresh(origin);
    return this.#known({ origin, credential: ORIGIN_ITSELF }) ?? UNKNOWN_HEALTH;
  }

  /** What an organization's pulls depend on: of the registry and its token server, the one that is down, if one is. */
  async records(scope: HealthScope): Promise<{ readonly origin: HealthRecord; readonly credential: HealthRecord }> {
    await this.facts(scope);
    const recordOf = (key: HealthKey) => this.#known(key);
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

  /**
   * The records of the origins and credentials that were heard of last. `organization` is whose credential it is; for an
   * origin itself, and for those who ask anonymously, there is none.
   */
  async latest(): Promise<readonly KnownHealth[]> {
    return (await this.table.latest(MAX_ORIGINS)).map(({ key: { origin, credential }, record }) => ({
      origin,
      isOrigin: credential === ORIGIN_ITSELF,
      ...ownerOf(credential),
      record,
    }));
  }

  /** Notes what an upstream tells of a credential's rate limit; written when it matters, or has not been for a while. */
  noteRateLimit(settings: ProxyCacheSettings, told: Omit<ToldRateLimit, 'at'>): void {
    const key = this.scopeOf(settings);
    const now = this.clock.now();
    const known = this.#known(key) ?? UNKNOWN_HEALTH;
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
    if (record !== undefined) this.#remember(key, { ...record, nextCheckAt: now + leaseMs });
    if (!claimed && remembered !== undefined) {
      remembered.readAt = Number.NEGATIVE_INFINITY;
      await this.#refresh(key.origin);
    }
    return claimed;
  }

  async #forbiddenMs(settings: ProxyCacheSettings): Promise<number> {
    const { retryAfterUntil = 0 } = await this.facts(this.scopeOf(settings));
    return retryAfterUntil - this.clock.now();
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
    if (this.#known(key)?.downSince !== undefined) await this.#succeed(key);
  }

  async #refresh(origin: string): Promise<void> {
    const remembered = this.#remembered.get(origin);
    if (remembered !== undefined && performance.now() - remembered.readAt < REREAD_AFTER_MS) return;
    const begun = ++this.#steps;
    try {
      this.#merge(origin, await this.table.findAll(origin), begun);
    } catch (error) {
      this.logger.warn(
        { err: error, origin },
        'the health of an upstream could not be read; going on with what is known',
      );
      if (remembered !== undefined) remembered.readAt = performance.now();
    }
  }

  /** What was read takes the place of what is remembered, but for what this process has changed since it began to read. */
  #merge(origin: string, read: ReadonlyMap<string, HealthRecord>, begun: number): void {
    const known = this.#remembered.get(origin);
    const records = new Map(read);
    const own = new Map([...(known?.own ?? [])].filter(([, { at, writing }]) => writing > 0 || at > begun));
    for (const credential of own.keys()) {
      const record = known?.records.get(credential);
      if (record !== undefined) records.set(credential, record);
    }
    this.#remembered.set(origin, { readAt: performance.now(), records, own });
  }

  async #succeed(key: HealthKey): Promise<void> {
    const now = this.clock.now();
    const known = this.#known(key);
    const isNews = known?.downSince !== undefined || now - (known?.lastSuccessAt ?? 0) >= SUCCESS_WRITE_EVERY_MS;
    if (!isNews) return;
    this.#remember(key, afterSuccess(known ?? UNKNOWN_HEALTH, now));
    const before = (await this.#change(key, (record) => afterSuccess(record, now))) ?? known;
    const { downSince, failureClass } = before ?? UNKNOWN_HEALTH;
    if (downSince === undefined || failureClass === undefined || key.credential !== ORIGIN_ITSELF) return;
    const downForMs = Math.max(0, now - downSince);
    const organizations = await this.#organizationsBehind(key.origin);
    this.emit('upstream-recovered', { origin: key.origin, organizations, failureClass, downForMs });
  }

  async #fail(key: HealthKey, failed: FailedCheck): Promise<void> {
    const now = this.clock.now();
    const random = Math.random();
    const known = this.#known(key) ?? UNKNOWN_HEALTH;
    this.#remember(key, afterFailure(known, failed, now, random));
    const before = (await this.#change(key, (record) => afterFailure(record, failed, now, random))) ?? known;
    if (before.downSince !== undefined) return;
    const { origin, credential } = key;
    const { failureClass, retryAfterMs } = failed;
    if (credential === ORIGIN_ITSELF) {
      this.emit('upstream-down', { origin, organizations: await this.#organizationsBehind(origin), failureClass });
    } else {
      const told = retryAfterMs === undefined ? {} : { retryAfterMs };
      this.emit('rate-limited', { origin, ...ownerOf(credential), failureClass: 'rate_limited', ...told });
    }
  }

  /** Never rejects: an outage is told also when nobody knows whose it is. */
  async #organizationsBehind(origin: string): Promise<readonly OrganizationName[]> {
    try {
      return await this.findOrganizations(this.registriesBehind(origin));
    } catch (error) {
      this.logger.warn({ err: error, origin }, 'the organizations of an upstream could not be looked up');
      return [];
    }
  }

  /** Resolves to the record before; `undefined` when Postgres could not be asked. */
  async #change(key: HealthKey, change: (record: HealthRecord) => HealthRecord): Promise<HealthRecord | undefined> {
    this.#noteWriting(key, 1);
    try {
      const { before, after } = await this.table.change(key, change);
      this.#remember(key, after);
      return before;
    } catch (error) {
      this.logger.warn({ err: error, origin: key.origin }, 'the health of an upstream could not be written');
      return undefined;
    } finally {
      this.#noteWriting(key, -1);
    }
  }

  #known(key: HealthKey): HealthRecord | undefined {
    return this.#remembered.get(key.origin)?.records.get(key.credential);
  }

  #remember(key: HealthKey, record: HealthRecord): void {
    this.#rememberedOf(key.origin).records.set(key.credential, record);
    this.#noteWriting(key, 0);
  }

  #noteWriting({ origin, credential }: HealthKey, change: 1 | 0 | -1): void {
    const { own } = this.#rememberedOf(origin);
    this.#steps += 1;
    own.set(credential, { at: this.#steps, writing: (own.get(credential)?.writing ?? 0) + change });
  }

  #rememberedOf(origin: string): Remembered {
    const known = this.#remembered.get(origin);
    if (known !== undefined) return known;
    const remembered = { readAt: Number.NEGATIVE_INFINITY, records: new Map(), own: new Map() };
    this.#remembered.set(origin, remembered);
    return remembered;
  }
}

/** Whose a credential is; nobody's in particular when it is none. */
function ownerOf(credential: string): { readonly organization?: OrganizationName } {
  const [organization, version] = credential.split(':');
  return version === undefined ? {} : { organization: organization as OrganizationName };
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
      : {
          down: {
            since: down.downSince,
            failureClass: down.failureClass,
            ...(down.nextCheckAt === undefined ? {} : { nextCheckAt: down.nextCheckAt }),
          },
        }),
    ...(retryAfterUntil === 0 ? {} : { retryAfterUntil }),
    ...(records.some((record) => isRateLimitLow(record, now)) ? { rateLimitLow: true } : {}),
  };
}
