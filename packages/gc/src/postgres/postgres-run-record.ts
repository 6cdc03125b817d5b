import type { Clock } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import { GcError } from '../errors.js';
import type { GcReport } from '../report.js';
import type { Deletion, DeletionOutcome, IntendedDeletions, RunRecord } from '../run-journal.js';
import { finishRun } from './finish-run.js';
import { insertDeletions } from './insert-deletions.js';
import { renewRun } from './renew-run.js';
import { settleDeletions } from './settle-deletions.js';

/** The lease is renewed this often at most, ms, where nothing is deleted. */
const BEAT_INTERVAL_MS = 10_000;

/** A run's record in Postgres. */
export class PostgresRunRecord implements RunRecord {
  readonly token: number;
  readonly #runId: string;
  #renewedAt: number;

  constructor(
    private readonly knex: Knex,
    private readonly clock: Clock,
    run: { readonly runId: string; readonly token: number; readonly startedAt: number },
  ) {
    this.token = run.token;
    this.#runId = run.runId;
    this.#renewedAt = run.startedAt;
  }

  async beat(): Promise<void> {
    const now = this.clock.now();
    if (Math.abs(now - this.#renewedAt) < BEAT_INTERVAL_MS) return;
    if (!(await renewRun(this.knex, this.#runId, now))) throw leaseLost();
    this.#renewedAt = now;
  }

  async intend(deletions: readonly Deletion[]): Promise<IntendedDeletions> {
    const now = this.clock.now();
    // One transaction: nothing is on record of a run that another process has taken over.
    const ids = await this.knex.transaction(async (transaction) => {
      if (!(await renewRun(transaction, this.#runId, now))) throw leaseLost();
      return insertDeletions(transaction, this.#runId, deletions, now);
    });
    this.#renewedAt = now;
    return { settle: (outcomes: readonly DeletionOutcome[]) => settleDeletions(this.knex, ids, outcomes) };
  }

  async finish(report: GcReport): Promise<void> {
    await finishRun(this.knex, report);
  }
}

function leaseLost(): GcError {
  return new GcError('GC_LEASE_LOST', 'another process took this run for dead and may be running now');
}
