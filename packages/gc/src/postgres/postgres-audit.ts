import type { Clock } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { DeletionAudit } from '../run-journal.js';
import { insertDeletions } from './insert-deletions.js';
import { settleDeletions } from './settle-deletions.js';

/** Puts deletions that no run makes on record in Postgres. */
export function postgresAudit(knex: Knex, clock: Clock): DeletionAudit {
  return {
    async intend(deletions) {
      const ids = await insertDeletions(knex, undefined, deletions, clock.now());
      return { settle: (outcomes) => settleDeletions(knex, ids, outcomes) };
    },
  };
}
