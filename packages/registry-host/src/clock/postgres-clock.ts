import type { Clock, Logger } from '@breakwater/registry-core';
import type { Knex } from 'knex';

/** A jump of more than this is worth a log line, in milliseconds (P19). */
const NOTEWORTHY_JUMP_MS = 5 * 60_000;
const SYNC_EVERY_MS = 60_000;

/**
 * The one clock (P19): Postgres's time at the last sync plus the monotonic clock, so that a wall clock which is set
 * during an outage expires nothing and revives nothing. Before the first sync it is the wall clock.
 */
export class PostgresClock implements Clock {
  #base = Date.now();
  #at = performance.now();
  #synced = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: Knex,
    private readonly logger: Logger,
    /** Told of a jump of more than five minutes either way, ms. */
    private readonly onJump: (ms: number) => void = () => undefined,
  ) {}

  now(): number {
    return Math.floor(this.#base + performance.now() - this.#at);
  }

  /** Follows Postgres from now on. */
  async start(): Promise<void> {
    await this.sync();
    this.#timer ??= setInterval(() => {
      this.sync().catch((error: unknown) => {
        this.logger.debug({ err: error }, 'the clock goes on without Postgres until the next try');
      });
    }, SYNC_EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Asks Postgres once. Half of the round trip is taken for the way back. */
  async sync(): Promise<void> {
    const askedAt = performance.now();
    const { rows } = await this.database.raw<{ rows: { ms: string }[] }>(
      'select (extract(epoch from clock_timestamp()) * 1000)::text as ms',
    );
    const answeredAt = performance.now();
    const base = Number(rows[0]?.ms) + (answeredAt - askedAt) / 2;
    if (!Number.isFinite(base)) return;
    const jumpMs = base - (this.#base + answeredAt - this.#at);
    if (this.#synced && Math.abs(jumpMs) > NOTEWORTHY_JUMP_MS) {
      this.logger.warn({ jump_ms: Math.round(jumpMs) }, 'the time of Postgres has jumped');
      this.onJump(jumpMs);
    }
    this.#base = base;
    this.#at = answeredAt;
    this.#synced = true;
  }
}
