import type { Knex } from 'knex';

/** A run may be left out because what it decides by cannot be trusted just now. */
export const skippedRuns = {
  name: '0006-skipped-runs',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      ALTER TABLE gc_run
        DROP CONSTRAINT gc_run_state_check,
        ADD CONSTRAINT gc_run_state_check
          CHECK (state IN ('running', 'done', 'failed', 'stopped', 'braked', 'skipped', 'abandoned'))
    `);
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`UPDATE gc_run SET state = 'stopped' WHERE state = 'skipped'`);
    await knex.raw(`
      ALTER TABLE gc_run
        DROP CONSTRAINT gc_run_state_check,
        ADD CONSTRAINT gc_run_state_check
          CHECK (state IN ('running', 'done', 'failed', 'stopped', 'braked', 'abandoned'))
    `);
  },
};
