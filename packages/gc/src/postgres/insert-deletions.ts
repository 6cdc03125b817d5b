import type { Knex } from 'knex';
import type { Deletion } from '../run-journal.js';

/** Puts intended deletions on record, of a run or of none; resolves to their row numbers, in the same order. */
export async function insertDeletions(
  knex: Knex,
  runId: string | undefined,
  deletions: readonly Deletion[],
  now: number,
): Promise<readonly string[]> {
  if (deletions.length === 0) return [];
  const references = deletions.map((each) => ('repository' in each ? each : undefined));
  // One array per column: the same statement for any number of rows. Row numbers are given out in the order of the
  // list, and sorting by them is what makes the order of the answer certain.
  const inserted = await knex.raw<{ readonly rows: readonly { readonly id: string }[] }>(
    `WITH listed AS (
       SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:organizations AS text[]), CAST(:repositories AS text[]), CAST(:upstreams AS text[]),
                            CAST(:references AS text[]), CAST(:digests AS text[]), CAST(:reasons AS text[]),
                            CAST(:generations AS text[]), CAST(:sizes AS bigint[]))
         WITH ORDINALITY
           AS item (kind, organization, repository, upstream, reference, digest, reason, generation, size, position)
     ), inserted AS (
       INSERT INTO gc_deletion
         (run_id, kind, organization, repository, upstream, reference, digest, reason, generation, size, state, intended_at)
       SELECT CAST(:runId AS uuid), kind, organization, repository, upstream, reference, digest, reason, generation, size,
              'intended', :now
         FROM listed ORDER BY position
       RETURNING id
     )
     SELECT id FROM inserted ORDER BY id`,
    {
      runId: runId ?? null,
      now: new Date(now),
      kinds: deletions.map(({ kind }) => kind),
      organizations: references.map((each) => each?.repository.organization ?? null),
      repositories: references.map((each) => each?.repository.name ?? null),
      upstreams: references.map((each) => each?.repository.upstream ?? null),
      references: deletions.map((each) => ('reference' in each ? each.reference : each.digest)),
      digests: deletions.map((each) => ('digest' in each ? each.digest : null)),
      reasons: deletions.map(({ reason }) => reason),
      generations: deletions.map((each) => ('generation' in each ? (each.generation ?? null) : null)),
      sizes: deletions.map((each) => ('size' in each ? (each.size ?? null) : null)),
    },
  );
  return inserted.rows.map(({ id }) => id);
}
