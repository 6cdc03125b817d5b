import type { Knex } from 'knex';

/** Runs are listed by their token, the latest first. */
export const runsByToken = {
  name: '0004-runs-by-token',

  async up(knex: Knex): Promise<void> {
    await knex.raw('CREATE UNIQUE INDEX gc_run_token ON gc_run (token)');
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw('DROP INDEX gc_run_token');
  },
};
