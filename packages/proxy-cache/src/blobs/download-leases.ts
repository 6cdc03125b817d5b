import { randomBytes } from 'node:crypto';
import { type Clock, callDatabase, type Logger, type UpstreamFailureClass } from '@breakwater/registry-core';
import type { DownloadKey, DownloadLeaseTable, LeaseRecord } from '../postgres/download-lease-table.js';
import { repeatable } from '../postgres/repeatable.js';
import { isUpstreamError, UpstreamError } from '../upstream/upstream-error.js';
import { hasEnded, ownIdentity } from './process-identity.js';

/** Heart-beats in the time of a lease (P10): 10 s of 30. */
const BEATS_PER_LEASE = 3;
/** Between what is random in the name of a holder and its process. */
const SEPARATOR = '-';
/** How long a failure stays to be read by those who follow, who look twice a second, in milliseconds. */
const HEARD_AFTER_MS = 5_000;

/**
 * Who downloads what, among the processes that share a spool (P10). A lease saves work only: each holder writes into a
 * file of its own, so that a holder who was taken for dead, and is not, does no harm.
 */
export class DownloadLeases {
  readonly #process = ownIdentity();

  /** @param leaseMs how long a lease holds without a heart-beat, in milliseconds */
  constructor(
    private readonly table: DownloadLeaseTable,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly leaseMs: number,
  ) {}

  /**
   * Takes the lease, or resolves to who has it.
   * @throws RegistryError UNAVAILABLE with reason `database`
   */
  async claim(key: DownloadKey): Promise<DownloadLease | LeaseRecord> {
    const holder = `${randomBytes(8).toString('hex')}${SEPARATOR}${this.#process}`;
    let ended: string | undefined;
    for (;;) {
      const now = this.clock.now();
      if (await callDatabase(() => this.table.claim(key, holder, now, now + this.leaseMs, ended))) {
        return new DownloadLease(key, holder, this.table, this.clock, this.logger, this.leaseMs);
      }
      const held = await this.find(key);
      // Gone again in between: it is free.
      if (held === undefined) continue;
      if (held.holder === ended || !isEnded(held)) return held;
      ended = held.holder;
    }
  }

  /** @throws RegistryError UNAVAILABLE with reason `database` */
  find(key: DownloadKey): Promise<LeaseRecord | undefined> {
    return repeatable(() => this.table.find(key));
  }

  /** Those who download into a spool now. @throws RegistryError UNAVAILABLE with reason `database` */
  holders(spool: string): Promise<ReadonlySet<string>> {
    return repeatable(() => this.table.holders(spool, this.clock.now()));
  }

  /** Forgets failures that everybody has heard of, and leases that somebody left behind. */
  async forget(): Promise<void> {
    await this.table.forget(this.clock.now() - HEARD_AFTER_MS);
  }

  /** Whether its holder has not been heard of for too long, has given up, or is known to have ended. */
  isOver(record: LeaseRecord): boolean {
    return record.expiresAt <= this.clock.now() || isEnded(record);
  }
}

function isEnded({ holder }: LeaseRecord): boolean {
  return hasEnded(holder.slice(holder.indexOf(SEPARATOR) + 1));
}

/** A lease that this process has. Nothing it does fails: who cannot reach the database goes on without. */
export class DownloadLease {
  readonly #beat: NodeJS.Timeout;
  #lost = false;
  #told: Promise<void> = Promise.resolve();

  constructor(
    private readonly key: DownloadKey,
    readonly holder: string,
    private readonly table: DownloadLeaseTable,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly leaseMs: number,
  ) {
    this.#beat = setInterval(() => void this.isHeld(), leaseMs / BEATS_PER_LEASE).unref();
  }

  /** Renews it. False when another process has taken it over: then what was downloaded is not for this one to store. */
  async isHeld(): Promise<boolean> {
    await this.#tell(async () => {
      const held = await this.table.renew(this.key, this.holder, this.clock.now() + this.leaseMs);
      if (!held && !this.#lost) {
        this.#lost = true;
        this.logger.warn({ digest: this.key.digest }, 'another process has taken a download over');
      }
    });
    return !this.#lost;
  }

  announce(size: number): void {
    void this.#tell(() => this.table.setSize(this.key, this.holder, size));
  }

  /** Ends it. What the upstream failed with is left for those who follow; after anything else they may try themselves. */
  async end(error?: unknown): Promise<void> {
    clearInterval(this.#beat);
    const failure = isUpstreamError(error) ? toRecord(error) : undefined;
    await this.#tell(() =>
      failure === undefined
        ? this.table.release(this.key, this.holder)
        : this.table.fail(this.key, this.holder, failure, this.clock.now()),
    );
  }

  /** One after the other, so that the last word is the last one said. */
  #tell(statement: () => Promise<void>): Promise<void> {
    const { digest } = this.key;
    this.#told = this.#told.then(statement).catch((error: unknown) => {
      this.logger.warn({ err: error, digest }, 'the lease of a download could not be written; the download goes on');
    });
    return this.#told;
  }
}

/** The failure of somebody else's download, as it was for them. */
export function failureOf({ failure }: LeaseRecord): UpstreamError | undefined {
  if (typeof failure !== 'object' || failure === null) return undefined;
  const { failureClass, message, ...facts } = failure as ReturnType<typeof toRecord>;
  return new UpstreamError(failureClass, message, facts);
}

function toRecord(error: UpstreamError) {
  const { upstreamStatus, retryAfterMs, origin, unknown, isOfContent } = error;
  const failureClass: UpstreamFailureClass = error.failureClass;
  return {
    failureClass,
    message: error.message,
    unknown,
    isOfContent,
    ...(upstreamStatus === undefined ? {} : { upstreamStatus }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(origin === undefined ? {} : { origin }),
  };
}
