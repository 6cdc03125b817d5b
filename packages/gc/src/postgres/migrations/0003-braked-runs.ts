import type { Knex } from 'knex';

/** A run may end because it would have deleted too much. */
export const brakedRuns = {
  name: '0003-braked-runs',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      ALTER TABLE gc_run
        DROP CONSTRAINT gc_run_state_check,
        ADD CONSTRAINT gc_run_state_check
          CHECK (state IN ('running', 'done', 'failed', 'stopped', 'braked', 'abandoned'))
    `);
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`UPDATE gc_run SET state = 'stopped' WHERE state = 'braked'`);
    await knex.raw(`
      ALTER TABLE gc_run
        DROP CONSTRAINT gc_run_state_check,
        ADD CONSTRAINT gc_run_state_check CHECK (state IN ('running', 'done', 'failed', 'stopped', 'abandoned'))
    `);
  },
};
