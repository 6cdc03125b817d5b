import type { Clock, Logger } from '@breakwater/registry-core';
import type { Redis } from 'ioredis';
import { Breaker } from './breaker.js';

export interface RedisCommandsOptions {
  readonly redis: Redis;
  readonly logger: Logger;
  /** Measures the pause after a failure; it must never go back. Default the monotonic clock. */
  readonly monotonic?: Clock;
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

  constructor({ redis, logger, monotonic = MONOTONIC }: RedisCommandsOptions) {
    this.#redis = redis;
    this.#logger = logger;
    this.#monotonic = monotonic;
    this.#breaker = new Breaker({ clock: monotonic, pauseMs: PAUSE_MS, connectedPauseMs: CONNECTED_PAUSE_MS });
    redis.on('ready', () => this.#breaker.connected());
  }

  /** What the command resolves to; `undefined` when it failed, or was not sent because it would fail. Never rejects. */
  async run<T>(command: (redis: Redis) => Promise<T>): Promise<T | undefined> {
    if (!this.#breaker.allows()) return undefined;
    try {
      const result = await command(this.#redis);
      if (this.#breaker.worked()) this.#logger.info({}, 'Redis is used again');
      return result;
    } catch (error) {
      if (isRefusal(error)) this.#refused(redisErrorCode(error));
      else this.#failed(redisErrorCode(error));
      return undefined;
    }
  }

  /** It answers, so that it costs nothing to go on asking: a key of the wrong type says nothing about the others. */
  #refused(code: string): void {
    const now = this.#monotonic.now();
    const told = this.#refusals.get(code);
    if (told !== undefined && now - told < REFUSAL_EVERY_MS) return;
    this.#refusals.set(code, now);
    this.#logger.warn({ code }, 'Redis refuses a command; going on without what it was for');
    // It may have led when we connected. The name may lead to another one by now (F107).
    if (code === 'READONLY') this.#redis.disconnect(true);
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

/** What a log line may say of an error: errors of ioredis carry the command with them, which may be AUTH. */
export function redisErrorCode(error: unknown): string {
  const { code, name, message } = (error ?? {}) as Partial<Error> & { readonly code?: unknown };
  if (typeof code === 'string') return code;
  if (isRefusal(error)) return /^[A-Z]+\b/.exec(message ?? '')?.[0] ?? 'refused';
  if (message === 'Command timed out') return 'ETIMEDOUT';
  return /^(?:Stream isn't writeable|Connection is closed)/.test(message ?? '') ? 'ENOTCONN' : (name ?? 'unknown');
}
