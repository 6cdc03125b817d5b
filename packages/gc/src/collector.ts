import { randomUUID } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type { OrganizationName } from '@breakwater/registry-core';
import { errorClass, errorMessage, GcError } from './errors.js';
import type { GcEvents } from './events.js';
import type { GcReport, StepReport } from './report.js';
import { performRun } from './run.js';
import { blankJournal, type RunJournal, type RunRecord } from './run-journal.js';
import type { RunParts } from './run-parts.js';

const PROGRESS_INTERVAL_MS = 1_000;

/** How a run is to be made. */
export interface RunOptions {
  /** Only say what would go, and why. Default false. */
  readonly dryRun?: boolean;
  /** Only this organization. Default all. */
  readonly organization?: OrganizationName | undefined;
  /** Also delete what is so much that the brake would stop the run. Default false. */
  readonly force?: boolean;
}

/** Makes runs, one at a time. */
export class Collector {
  readonly #stopping = new AbortController();
  #inFlight: Promise<GcReport> | undefined;

  constructor(
    private readonly parts: RunParts,
    private readonly journal: RunJournal,
    private readonly events: EventEmitter<GcEvents>,
  ) {}

  /**
   * One run. Resolves to its report also when steps of it failed.
   * @throws GcError GC_RUNNING, GC_STOPPED, GC_UNAVAILABLE: nothing was done
   */
  async run(options: RunOptions = {}): Promise<GcReport> {
    if (this.#stopping.signal.aborted) throw new GcError('GC_STOPPED', 'the collector was stopped');
    if (this.#inFlight !== undefined) throw new GcError('GC_RUNNING', 'a run is in flight in this process');
    this.#inFlight = this.#run(options);
    try {
      return await this.#inFlight;
    } finally {
      this.#inFlight = undefined;
    }
  }

  /** No run begins after this; one that is in flight ends at its next safe point, and is waited for. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    // Whoever asked for the run hears of its failure.
    await this.#inFlight?.catch(() => {});
  }

  async #run({ dryRun = false, force = false, organization }: RunOptions): Promise<GcReport> {
    const runId = randomUUID();
    const startedAt = this.parts.clock.now();
    // A dry run deletes nothing, so it needs neither the lease nor a record.
    const record = await begin(dryRun ? blankJournal : this.journal, runId, startedAt);
    this.#tell(() => this.events.emit('started', { runId, dryRun }));
    const report = await performRun(this.parts, {
      runId,
      dryRun,
      force,
      organization,
      startedAt,
      record,
      signal: this.#stopping.signal,
      progress: this.#progressOf(runId),
    });
    try {
      await record.finish(report);
    } catch (error) {
      // What was done is done and known; only its record is incomplete.
      this.parts.logger.warn(
        { run_id: runId, code: errorClass(error), error: errorMessage(error) },
        'the report of the gc run could not be recorded',
      );
    }
    this.#log(report);
    this.#tell(() => this.events.emit('finished', report));
    return report;
  }

  /** Tells how far a run is, at most once a second. */
  #progressOf(runId: string): (steps: readonly StepReport[]) => void {
    let toldAt = this.parts.clock.now();
    return (steps) => {
      const now = this.parts.clock.now();
      if (Math.abs(now - toldAt) < PROGRESS_INTERVAL_MS) return;
      toldAt = now;
      this.#tell(() => this.events.emit('progress', { runId, steps }));
    };
  }

  /** A listener that throws must cost neither the report nor the record of the run. */
  #tell(emit: () => void): void {
    try {
      emit();
    } catch (error) {
      this.parts.logger.error(
        { code: errorClass(error), error: errorMessage(error) },
        'a listener of the collector failed',
      );
    }
  }

  #log(report: GcReport): void {
    if (report.dryRun) return;
    const removed = report.steps.some((step) => 'removed' in step && step.removed > 0);
    const freed = report.freed.manifests + report.freed.blobs > 0;
    if (report.outcome === 'done' && report.expiredTotal === 0 && !removed && !freed) return;
    const fields = {
      run_id: report.runId,
      outcome: report.outcome,
      ms: Math.max(0, report.finishedAt - report.startedAt),
      expired: report.expiredTotal,
      held: report.kept.held,
      freed_manifests: report.freed.manifests,
      freed_blobs: report.freed.blobs,
      freed_bytes: report.freed.bytes,
    };
    if (report.outcome === 'failed') this.parts.logger.warn(fields, 'gc run failed');
    else if (report.outcome === 'skipped')
      this.parts.logger.warn({ ...fields, skipped: report.skipped }, 'gc run skipped');
    else this.parts.logger.info(fields, 'gc run');
  }
}

async function begin(journal: RunJournal, runId: string, startedAt: number): Promise<RunRecord> {
  let record: RunRecord | undefined;
  try {
    record = await journal.begin(runId, startedAt);
  } catch (cause) {
    throw new GcError('GC_UNAVAILABLE', 'the run could not be recorded, so it did not begin', { cause });
  }
  if (record === undefined) throw new GcError('GC_RUNNING', 'a run is in flight in another process');
  return record;
}
