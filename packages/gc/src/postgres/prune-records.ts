import type { Knex } from 'knex';

/**
 * Removes deletions that were put on record before a time (ms since the epoch), and runs that began before it and of which
 * no deletion is left, at most `limit` rows. Resolves to how many went.
 */
export async function pruneRecords(knex: Knex, before: number, limit: number): Promise<number> {
  const bindings = { before: new Date(before), limit };
  const deletions = await knex.raw<{ readonly rowCount: number }>(
    `DELETE FROM gc_deletion WHERE id IN (
       SELECT id FROM gc_deletion WHERE intended_at < :before ORDER BY intended_at LIMIT :limit)`,
    bindings,
  );
  if (deletions.rowCount === limit) return limit;
  const runs = await knex.raw<{ readonly rowCount: number }>(
    `DELETE FROM gc_run WHERE run_id IN (
       SELECT run_id FROM gc_run r
        WHERE started_at < :before AND state <> 'running'
          AND NOT EXISTS (SELECT FROM gc_deletion d WHERE d.run_id = r.run_id)
        ORDER BY started_at LIMIT :limit)`,
    { ...bindings, limit: limit - deletions.rowCount },
  );
  return deletions.rowCount + runs.rowCount;
}
