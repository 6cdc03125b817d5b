import type { Knex } from 'knex';

/**
 * A run that has shown no progress for this long is taken to be dead, ms. It is long, because a batch may have to wait
 * for locks and for a slow check of an upstream; nothing depends on the next run being soon.
 */
const LEASE_MS = 120_000;

/** Begins a run, in place of one that is dead if need be, and gives its token. `undefined` while another one is in flight. */
export function beginRun(
  knex: Knex,
  run: { readonly runId: string; readonly holder: string; readonly startedAt: number },
): Promise<number | undefined> {
  const startedAt = new Date(run.startedAt);
  return knex.transaction(async (transaction) => {
    await transaction.raw(
      `UPDATE gc_run SET state = 'abandoned', finished_at = :now
        WHERE state = 'running' AND heartbeat_at < :deadBefore`,
      { now: startedAt, deadBefore: new Date(run.startedAt - LEASE_MS) },
    );
    const begun = await transaction.raw<{ readonly rows: readonly { readonly token: string }[] }>(
      `INSERT INTO gc_run (run_id, holder, state, started_at, heartbeat_at)
       VALUES (:runId, :holder, 'running', :startedAt, :startedAt)
       ON CONFLICT DO NOTHING RETURNING token`,
      { runId: run.runId, holder: run.holder, startedAt },
    );
    const [row] = begun.rows;
    if (row === undefined) return undefined;
    await settleOfDead(transaction, run.runId, run.startedAt - LEASE_MS);
    return Number(row.token);
  });
}

/** There is one run at a time, so what others intended they do not do any more; what came of it nobody can say. */
async function settleOfDead(transaction: Knex.Transaction, runId: string, deadBefore: number): Promise<void> {
  await transaction.raw(
    `UPDATE gc_deletion SET state = 'unknown'
      WHERE state = 'intended' AND CASE WHEN run_id IS NULL THEN intended_at < :deadBefore ELSE run_id <> :runId END`,
    { runId, deadBefore: new Date(deadBefore) },
  );
}
