import { setTimeout as sleep } from 'node:timers/promises';
import type { DownloadKey, LeaseRecord } from '../postgres/download-lease-table.js';
import { UpstreamError } from '../upstream/upstream-error.js';
import { type DownloadLeases, failureOf } from './download-leases.js';
import type { GrowingBlob } from './growing-blob.js';
import type { Spool } from './spool.js';
import type { SpoolFile } from './spool-file.js';

/** How often the file is looked at, and the lease until the size is known, in milliseconds. */
const LOOK_EVERY_MS = 25;
/** How often the lease is after that: it tells of a failure, or of a holder that is gone. */
const ASK_EVERY_MS = 500;

export interface FollowOptions {
  readonly key: DownloadKey;
  readonly leases: DownloadLeases;
  readonly spool: Spool;
  readonly blob: GrowingBlob;
  /** How long those who wait for the first byte are left waiting, in milliseconds. */
  readonly firstByteMs: number;
  /** How long a file may stand still while the database does not answer, in milliseconds. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

/** Lets the readers of this process read what another one downloads into the shared spool. */
export class FollowedDownload {
  readonly #began = performance.now();
  #record: LeaseRecord;
  #askedAt = this.#began;
  #grewAt = this.#began;
  #file: SpoolFile | undefined;
  #bytes = 0;
  #verified = false;

  constructor(
    private readonly options: FollowOptions,
    held: LeaseRecord,
  ) {
    this.#record = held;
  }

  /**
   * Resolves to whether it came to its end and was stored; else the download is vacant, and whoever claims it goes on with
   * what there is.
   *
   * @throws UpstreamError what the other process failed with, or class `timeout`
   * @throws RegistryError UNAVAILABLE with reason `database` when nobody can tell how it stands
   */
  async run(): Promise<'stored' | 'vacant'> {
    const { blob, signal } = this.options;
    while (!signal.aborted) {
      if (this.#record.size !== undefined) blob.announce(this.#record.size);
      await this.#look();
      const end = this.#isDueToAsk() ? await this.#ask() : undefined;
      if (end !== undefined) return end;
      await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
    throw new UpstreamError('timeout', 'the download was ended');
  }

  /** Sees how far the file has come. */
  async #look(): Promise<void> {
    const { key, spool, blob } = this.options;
    if (this.#verified) return;
    if (this.#file === undefined) {
      this.#file = await spool.follow(key.repository, key.digest, this.#record.holder);
      if (this.#file !== undefined) await blob.attach(this.#file, 0);
    }
    if (this.#file === undefined) return;
    const { bytes, verified } = await this.#file.facts();
    if (bytes !== this.#bytes) this.#grewAt = performance.now();
    this.#bytes = bytes;
    this.#verified = verified;
    if (verified) blob.complete(bytes);
    else blob.grow(bytes);
  }

  #isDueToAsk(): boolean {
    const isUrgent = this.#record.size === undefined && !this.#verified;
    return performance.now() - this.#askedAt >= (isUrgent ? LOOK_EVERY_MS : ASK_EVERY_MS);
  }

  async #ask(): Promise<'stored' | 'vacant' | undefined> {
    this.#askedAt = performance.now();
    const found = await this.#find();
    if (found === undefined) {
      // Verified first, let go of afterwards: a lease that is gone calls for one more look.
      await this.#look();
      return this.#verified ? 'stored' : 'vacant';
    }
    if (found.holder !== this.#record.holder) {
      this.#file = undefined;
      this.#bytes = 0;
    }
    this.#record = found;
    if (this.options.leases.isOver(found)) {
      const failure = failureOf(found);
      if (failure !== undefined && !this.#verified) throw failure;
      return this.#verified ? 'stored' : 'vacant';
    }
    if (found.size === undefined && this.#bytes === 0) this.#assertInTime();
    return undefined;
  }

  /** The lease; without the database, what it was, for as long as the file grows. */
  async #find(): Promise<LeaseRecord | undefined> {
    try {
      return await this.options.leases.find(this.options.key);
    } catch (error) {
      if (this.#verified) return undefined;
      if (performance.now() - this.#grewAt > this.options.patienceMs) throw error;
      return this.#record;
    }
  }

  #assertInTime(): void {
    if (performance.now() - this.#began <= this.options.firstByteMs) return;
    throw new UpstreamError('timeout', 'another process has asked the upstream and had no answer in time');
  }
}
