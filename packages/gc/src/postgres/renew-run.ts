import type { Knex } from 'knex';

/** Renews the lease of a run; false when it is no longer in flight. The row stays locked until the transaction ends. */
export async function renewRun(knex: Knex, runId: string, now: number): Promise<boolean> {
  const renewed = await knex.raw<{ readonly rowCount: number }>(
    `UPDATE gc_run SET heartbeat_at = :now WHERE run_id = :runId AND state = 'running'`,
    { runId, now: new Date(now) },
  );
  return renewed.rowCount === 1;
}
