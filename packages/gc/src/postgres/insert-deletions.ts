import type { Knex } from 'knex';
import type { Deletion } from '../run-journal.js';

/** Puts intended deletions on record; resolves to their row numbers, in the same order. */
export async function insertDeletions(
  knex: Knex,
  runId: string,
  deletions: readonly Deletion[],
  now: number,
): Promise<readonly string[]> {
  if (deletions.length === 0) return [];
  // One array per column: the same statement for any number of rows. Row numbers are given out in the order of the
  // list, and sorting by them is what makes the order of the answer certain.
  const inserted = await knex.raw<{ readonly rows: readonly { readonly id: string }[] }>(
    `WITH listed AS (
       SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:organizations AS text[]), CAST(:repositories AS text[]), CAST(:upstreams AS text[]),
                            CAST(:references AS text[]), CAST(:digests AS text[]), CAST(:reasons AS text[]))
         WITH ORDINALITY AS item (kind, organization, repository, upstream, reference, digest, reason, position)
     ), inserted AS (
       INSERT INTO gc_deletion
         (run_id, kind, organization, repository, upstream, reference, digest, reason, state, intended_at)
       SELECT CAST(:runId AS uuid), kind, organization, repository, upstream, reference, digest, reason, 'intended', :now
         FROM listed ORDER BY position
       RETURNING id
     )
     SELECT id FROM inserted ORDER BY id`,
    {
      runId,
      now: new Date(now),
      kinds: deletions.map(({ kind }) => kind),
      organizations: deletions.map(({ repository }) => repository.organization),
      repositories: deletions.map(({ repository }) => repository.name),
      upstreams: deletions.map(({ repository }) => repository.upstream ?? null),
      references: deletions.map(({ reference }) => reference),
      digests: deletions.map(({ digest }) => digest),
      reasons: deletions.map(({ reason }) => reason),
    },
  );
  return inserted.rows.map(({ id }) => id);
}
