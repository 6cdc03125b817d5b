import type { Knex } from 'knex';

/** A run as it stands on record. */
export interface RecordedRun {
  readonly runId: string;
  /** Grows from run to run. */
  readonly token: number;
  /** The process that made it. */
  readonly holder: string;
  readonly state: 'running' | 'done' | 'failed' | 'stopped' | 'braked' | 'skipped' | 'abandoned';
  /** Times are ms since the epoch. */
  readonly startedAt: number;
  readonly heartbeatAt: number;
  readonly finishedAt: number | undefined;
  /** Its numbers; absent while it is in flight, and of one that died. */
  readonly report: unknown;
}

interface RunRow {
  readonly run_id: string;
  readonly token: string;
  readonly holder: string;
  readonly state: RecordedRun['state'];
  readonly started_at: Date;
  readonly heartbeat_at: Date;
  readonly finished_at: Date | null;
  readonly report: unknown;
}

/** Runs on record, the latest first, before a token. */
export async function recordedRuns(
  knex: Knex,
  before: number | undefined,
  limit: number,
): Promise<readonly RecordedRun[]> {
  const query = knex<RunRow>('gc_run').orderBy('token', 'desc').limit(limit);
  if (before !== undefined) query.where('token', '<', before);
  return (await query).map((row) => ({
    runId: row.run_id,
    token: Number(row.token),
    holder: row.holder,
    state: row.state,
    startedAt: row.started_at.getTime(),
    heartbeatAt: row.heartbeat_at.getTime(),
    finishedAt: row.finished_at?.getTime(),
    report: row.report,
  }));
}
