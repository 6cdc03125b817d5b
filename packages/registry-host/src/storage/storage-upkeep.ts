import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock, Logger, Reconciliation } from '@breakwater/registry-core';
import type { StorageTasks } from './ports.js';
import type { ReconcileReport } from './reports.js';
import { Scrub, type ScrubOptions } from './scrub.js';

const LOOK_EVERY_MS = 60_000;
const RECONCILE_EVERY_MS = 60 * 60_000;
/** How often the lease of a reconciliation is renewed, ms. */
const KEEP_EVERY_MS = 10_000;

export interface StorageUpkeepOptions extends Omit<ScrubOptions, 'holder' | 'pause' | 'rate'> {
  /** Bytes per second; 0 = there is no scrub. */
  readonly rate: number;
  readonly reconcile: (onBatch: () => Promise<void>) => Promise<ReconcileReport>;
  /** What it would find; changes nothing. */
  readonly previewReconcile?: (onBatch: () => Promise<void>) => Promise<ReconcileReport>;
  /** How often it is looked whether something is due, ms. Default a minute. */
  readonly lookEveryMs?: number;
}

/** What is done about the store in the background: reconciliation at the start and hourly, scrubs in their interval. */
export class StorageUpkeep implements Reconciliation {
  readonly #tasks: StorageTasks;
  readonly #clock: Clock;
  readonly #monotonic: Clock;
  readonly #logger: Logger;
  readonly #reconcile: StorageUpkeepOptions['reconcile'];
  readonly #preview: StorageUpkeepOptions['previewReconcile'];
  readonly #scrub: Scrub | undefined;
  readonly #lookEveryMs: number;
  readonly #holder = randomUUID();
  readonly #stopping = new AbortController();
  readonly #begun = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #startedAt = 0;

  constructor(options: StorageUpkeepOptions) {
    this.#tasks = options.tasks;
    this.#clock = options.clock;
    this.#monotonic = options.monotonic;
    this.#logger = options.logger;
    this.#reconcile = options.reconcile;
    this.#preview = options.previewReconcile;
    this.#lookEveryMs = options.lookEveryMs ?? LOOK_EVERY_MS;
    const { rate } = options;
    this.#scrub =
      rate > 0
        ? new Scrub({ ...options, rate, holder: this.#holder, pause: (ms, signal) => sleep(ms, undefined, { signal }) })
        : undefined;
  }

  /** Begins: a reconciliation at once, a scrub within a minute if one is due. */
  start(): void {
    if (this.#timer !== undefined || this.#stopping.signal.aborted) return;
    this.#startedAt = this.#clock.now();
    this.#timer = setInterval(() => this.#look(), this.#lookEveryMs).unref();
    this.#begin('reconcile', () => this.#reconcileAfterStart());
  }

  /** Ends; resolves when nothing is under way any more. What is unfinished is gone on with later. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#timer);
    await Promise.all(this.#running);
  }

  /** The reconciliation of this hour, for whoever collects garbage, unless it has been made. */
  async reconcile(dryRun: boolean, onBatch: () => Promise<void>): Promise<ReconcileReport | undefined> {
    const finishedBefore = this.#clock.now() - RECONCILE_EVERY_MS;
    if (!dryRun) return this.#reconcileIfDue(finishedBefore, onBatch);
    const { running = false, finishedAt = Number.NEGATIVE_INFINITY } = (await this.#tasks.state('reconcile')) ?? {};
    return running || finishedAt >= finishedBefore ? undefined : this.#preview?.(onBatch);
  }

  async #reconcileAfterStart(): Promise<void> {
    // What was finished before this process began does not count: it may be its own crash that left debris.
    await this.#reconcileIfDue(Math.max(this.#startedAt, this.#clock.now() - RECONCILE_EVERY_MS));
  }

  async #scrubIfDue(): Promise<void> {
    await this.#scrub?.run(this.#stopping.signal);
  }

  #look(): void {
    this.#begin('reconcile', () => this.#reconcileAfterStart());
    if (this.#scrub !== undefined) this.#begin('scrub', () => this.#scrubIfDue());
  }

  #begin(name: 'reconcile' | 'scrub', work: () => Promise<void>): void {
    if (this.#begun.has(name)) return;
    this.#begun.add(name);
    const running = work()
      .catch((error: unknown) => {
        if (this.#stopping.signal.aborted) return;
        this.#logger.warn(
          { err: error, task: name },
          'the blob store could not be looked after; tried again in a minute',
        );
      })
      .finally(() => {
        this.#begun.delete(name);
        this.#running.delete(running);
      });
    this.#running.add(running);
  }

  async #reconcileIfDue(
    finishedBefore: number,
    also: () => Promise<void> = async () => {},
  ): Promise<ReconcileReport | undefined> {
    const taken = await this.#tasks.take('reconcile', this.#holder, finishedBefore);
    if (taken === undefined) return undefined;
    let keptAt = this.#monotonic.now();
    const onBatch = async () => {
      if (this.#stopping.signal.aborted) throw new Error('the registry is ending');
      await also();
      if (this.#monotonic.now() - keptAt < KEEP_EVERY_MS) return;
      if (!(await this.#tasks.keep('reconcile', this.#holder))) throw new Error('another process has taken over');
      keptAt = this.#monotonic.now();
    };
    try {
      const report = await this.#reconcile(onBatch);
      await this.#tasks.finish('reconcile', this.#holder, report);
      return report;
    } catch (error) {
      await this.#tasks.release('reconcile', this.#holder).catch(() => undefined);
      throw error;
    }
  }
}
