import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  // Which token server a registry names: after a restart in an outage, nobody can be asked any more.
  await knex.schema.createTable('upstream_token_server', (table) => {
    table.text('registry').notNullable().primary();
    table.text('token_server').notNullable();
  });
  await knex.schema.alterTable('upstream_health', (table) => {
    table.integer('rate_limit');
    table.integer('rate_remaining');
    table.integer('rate_window_s');
    table.timestamp('rate_told_at', { useTz: true });
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.alterTable('upstream_health', (table) => {
    table.dropColumns('rate_limit', 'rate_remaining', 'rate_window_s', 'rate_told_at');
  });
  await knex.schema.dropTable('upstream_token_server');
}
