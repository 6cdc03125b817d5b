import type { Knex } from 'knex';

/** What each plan was made for, so that the log can say what a purge took. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('purge_plan', (table) => {
    table.text('tag');
    table.timestamp('unused_since', { useTz: true });
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.alterTable('purge_plan', (table) => {
    table.dropColumns('tag', 'unused_since');
  });
}
