import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  // Which token server a registry names: after a restart in an outage, nobody can be asked any more.
  await knex.schema.createTable('upstream_token_server', (table) => {
    table.text('registry').notNullable().primary();
    table.text('token_server').notNullable();
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('upstream_token_server');
}
