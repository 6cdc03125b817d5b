import type { Clock, Logger } from '@breakwater/registry-core';
import type { Redis } from 'ioredis';
import { Breaker } from './breaker.js';

export interface RedisCommandsOptions {
  readonly redis: Redis;
  readonly logger: Logger;
  /** Measures the pause after a failure; it must never go back. Default the monotonic clock. */
  readonly monotonic?: Clock;
}

/** What of Redis is worth a metric. */
export interface RedisFacts {
  /** Connected, and the last command that was tried did not fail. */
  readonly isUp: boolean;
  /** Commands that failed since the start, by their code: `ETIMEDOUT` = not answered within 200 ms. */
  readonly failed: ReadonlyMap<string, number>;
  /** Commands that were not sent because they would have failed. */
  readonly skipped: number;
}

/** Pauses after a failure, see Breaker, in milliseconds. */
const PAUSE_MS = 5_000;
const CONNECTED_PAUSE_MS = 1_000;
/** How often one kind of refusal is logged, and a Redis that does not lead is left, in milliseconds. */
const REFUSAL_EVERY_MS = 60_000;
const MONOTONIC: Clock = { now: () => performance.now() };

/**
 * Sends commands to a Redis that may be dead or hang, which costs one time-out and from then on nothing: until there is a
 * new connection, or for a pause after which one command tries. A failure is a result like any other: `undefined`.
 */
export class RedisCommands {
  readonly #redis: Redis;
  readonly #logger: Logger;
  readonly #monotonic: Clock;
  readonly #breaker: Breaker;
  /** When each kind of refusal was last told of: there are as many as Redis has error codes. */
  readonly #refusals = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  #skipped = 0;
  /** The code of what the log was told of why there is no connection. */
  #toldConnection: string | undefined;

  constructor({ redis, logger, monotonic = MONOTONIC }: RedisCommandsOptions) {
    this.#redis = redis;
    this.#logger = logger;
    this.#monotonic = monotonic;
    this.#breaker = new Breaker({ clock: monotonic, pauseMs: PAUSE_MS, connectedPauseMs: CONNECTED_PAUSE_MS });
    redis.on('ready', () => {
      this.#toldConnection = undefined;
      this.#breaker.connected();
    });
    redis.on('error', (error: unknown) => this.#notConnected(error));
  }

  get facts(): RedisFacts {
    const isUp = this.#redis.status === 'ready' && !this.#breaker.broken;
    return { isUp, failed: this.#failures, skipped: this.#skipped };
  }

  /** What the command resolves to; `undefined` when it failed, or was not sent because it would fail. Never rejects. */
  async run<T>(command: (redis: Redis) => Promise<T>): Promise<T | undefined> {
    if (!this.#breaker.allows()) {
      this.#skipped += 1;
      return undefined;
    }
    try {
      const result = await command(this.#redis);
      if (this.#breaker.worked()) this.#logger.info({}, 'Redis is used again');
      return result;
    } catch (error) {
      const code = redisErrorCode(error);
      this.#failures.set(code, (this.#failures.get(code) ?? 0) + 1);
      if (isRefusal(error)) this.#refused(code, setUpHint(code, error));
      else this.#failed(code);
      return undefined;
    }
  }

  /** It answers, so that it costs nothing to go on asking: a key of the wrong type says nothing about the others. */
  #refused(code: string, hint: string | undefined): void {
    const now = this.#monotonic.now();
    const told = this.#refusals.get(code);
    if (told !== undefined && now - told < REFUSAL_EVERY_MS) return;
    this.#refusals.set(code, now);
    const fields = { code, ...(hint === undefined ? {} : { hint }) };
    this.#logger.warn(fields, 'Redis refuses a command; going on without what it was for');
    // It may have led when we connected. The name may lead to another one by now (F107).
    if (code === 'READONLY') this.#redis.disconnect(true);
  }

  /** That it is not there commands find out. What only the operator can mend is said, once until there is a connection. */
  #notConnected(error: unknown): void {
    const code = redisErrorCode(error);
    const hint = setUpHint(code, error);
    if (hint === undefined || code === this.#toldConnection) return;
    this.#toldConnection = code;
    this.#logger.warn({ code, hint }, 'Redis cannot be connected to; going on without it');
  }

  #failed(code: string): void {
    if (this.#breaker.failed()) this.#logger.warn({ code }, 'Redis cannot be used; going on without it');
    // A connection on which nothing comes back may never be of use again; a new one has a handshake to prove itself.
    if (this.#redis.status === 'ready') this.#redis.disconnect(true);
  }
}

/** Redis itself answered with an error. */
export function isRefusal(error: unknown): boolean {
  return (error as { readonly name?: unknown } | null)?.name === 'ReplyError';
}

const CLUSTER_CODES: ReadonlySet<string> = new Set(['MOVED', 'ASK', 'CLUSTERDOWN', 'CROSSSLOT', 'TRYAGAIN']);
const RIGHTS_CODES: ReadonlySet<string> = new Set(['NOAUTH', 'WRONGPASS', 'NOPERM']);

/** What to do about an error that says what is wrong with the set-up. */
function setUpHint(code: string, error: unknown): string | undefined {
  if (CLUSTER_CODES.has(code)) {
    return 'Redis Cluster is not supported: give BREAKWATER_REDIS_URL a single Redis, or take it out';
  }
  if (RIGHTS_CODES.has(code)) return 'look at the user and the password of BREAKWATER_REDIS_URL';
  if (/CERT|SELF_SIGNED|UNABLE_TO_/.test(code)) {
    return 'its certificate is not for this host, or not trusted: name its authority in NODE_EXTRA_CA_CERTS';
  }
  return /unknown command/.test((error as Partial<Error> | null)?.message ?? '')
    ? 'every Redis knows this command, but a Sentinel does not, and is not supported: give BREAKWATER_REDIS_URL the Redis itself'
    : undefined;
}

/** What a log line may say of an error: errors of ioredis carry the command with them, which may be AUTH. */
export function redisErrorCode(error: unknown): string {
  const { code, name, message } = (error ?? {}) as Partial<Error> & { readonly code?: unknown };
  if (typeof code === 'string') return code;
  if (isRefusal(error)) return /^[A-Z]+\b/.exec(message ?? '')?.[0] ?? 'refused';
  if (message === 'Command timed out') return 'ETIMEDOUT';
  return /^(?:Stream isn't writeable|Connection is closed)/.test(message ?? '') ? 'ENOTCONN' : (name ?? 'unknown');
}
