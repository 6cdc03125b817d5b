import type { Clock } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { RunJournal } from '../run-journal.js';
import { beginRun } from './begin-run.js';
import { PostgresRunRecord } from './postgres-run-record.js';

/**
 * Keeps runs and deletions in Postgres. The lease of the cluster's one run is its row in `gc_run`, so that it works
 * through a connection pooler, where a lock that belongs to a session does not.
 *
 * @param holder who runs, for whoever reads the table
 */
export function postgresJournal(knex: Knex, clock: Clock, holder: string): RunJournal {
  return {
    async begin(runId, startedAt) {
      const token = await beginRun(knex, { runId, holder, startedAt });
      return token === undefined ? undefined : new PostgresRunRecord(knex, clock, { runId, token, startedAt });
    },
  };
}
