import type { Knex } from 'knex';

/** `gc_run`: every run, and the lease of the one in flight. `gc_deletion`: what each deleted, and why. */
export const createRunTables = {
  name: '0001-create-run-tables',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      CREATE TABLE gc_run (
        run_id uuid PRIMARY KEY,
        holder text NOT NULL,
        state text NOT NULL CHECK (state IN ('running', 'done', 'failed', 'stopped', 'abandoned')),
        started_at timestamptz NOT NULL,
        heartbeat_at timestamptz NOT NULL,
        finished_at timestamptz,
        report jsonb
      )
    `);
    // At most one run in flight: the database itself refuses a second one, whatever the processes believe.
    await knex.raw(`CREATE UNIQUE INDEX gc_run_in_flight ON gc_run (state) WHERE state = 'running'`);
    await knex.raw(`CREATE INDEX gc_run_started ON gc_run (started_at)`);
    await knex.raw(`
      CREATE TABLE gc_deletion (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        run_id uuid NOT NULL REFERENCES gc_run (run_id) ON DELETE CASCADE,
        kind text NOT NULL CHECK (kind IN ('tag', 'manifest', 'blob')),
        organization text NOT NULL,
        repository text NOT NULL,
        upstream text,
        reference text NOT NULL,
        digest text NOT NULL,
        reason text NOT NULL,
        state text NOT NULL CHECK (state IN ('intended', 'done', 'kept', 'unknown')),
        intended_at timestamptz NOT NULL
      )
    `);
    await knex.raw(`CREATE INDEX gc_deletion_run ON gc_deletion (run_id)`);
    await knex.raw(`CREATE INDEX gc_deletion_digest ON gc_deletion (digest)`);
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw('DROP TABLE gc_deletion');
    await knex.raw('DROP TABLE gc_run');
  },
};
