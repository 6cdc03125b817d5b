import type { Knex } from 'knex';
import type { DeletionOutcome } from '../run-journal.js';

/** Records what came of deletions that were intended. */
export async function settleDeletions(
  knex: Knex,
  ids: readonly string[],
  outcomes: readonly DeletionOutcome[],
): Promise<void> {
  if (ids.length === 0) return;
  await knex.raw(
    `UPDATE gc_deletion SET state = settled.state
       FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[])) AS settled (id, state)
      WHERE gc_deletion.id = settled.id`,
    { ids: [...ids], states: [...outcomes] },
  );
}
