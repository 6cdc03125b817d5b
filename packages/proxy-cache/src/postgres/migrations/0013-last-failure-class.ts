import type { Knex } from 'knex';

/** What the last failure of an upstream was, also once it is over. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('upstream_health', (table) => {
    table.text('last_failure_class');
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.alterTable('upstream_health', (table) => {
    table.dropColumn('last_failure_class');
  });
}
