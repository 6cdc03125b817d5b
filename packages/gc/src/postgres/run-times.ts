import type { Knex } from 'knex';

/** When the cluster last collected garbage. Times are ms since the epoch. */
export interface RunTimes {
  /** When the last run that was done ended. */
  readonly doneAt?: number;
  /** When the run that is in flight began, or one that died and that no other has taken the place of. */
  readonly runningSince?: number;
}

/** Reads them off the record of runs. */
export async function runTimes(knex: Knex): Promise<RunTimes> {
  const { rows } = await knex.raw<{
    readonly rows: readonly { readonly done_at: Date | null; readonly running_since: Date | null }[];
  }>(
    `SELECT (SELECT finished_at FROM gc_run WHERE state = 'done' ORDER BY token DESC LIMIT 1) AS done_at,
            (SELECT started_at FROM gc_run WHERE state = 'running') AS running_since`,
  );
  const [row] = rows;
  return {
    ...(row?.done_at == null ? {} : { doneAt: row.done_at.getTime() }),
    ...(row?.running_since == null ? {} : { runningSince: row.running_since.getTime() }),
  };
}
