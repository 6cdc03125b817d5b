import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('outage_minute', (table) => {
    table.text('organization').notNullable();
    table.timestamp('minute', { useTz: true }).notNullable();
    table.text('kind').notNullable();
    table.text('failure_class').notNullable();
    table.bigInteger('count').notNullable();
    table.primary(['organization', 'minute', 'kind', 'failure_class']);
    // For pruning; the key serves the readers.
    table.index(['minute']);
  });
  // How many of an organization's tags have lapsed, and which was confirmed first, without reading all of them.
  await knex.schema.alterTable('cached_tag', (table) => {
    table.index(['organization', 'upstream', 'confirmed_at']);
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.alterTable('cached_tag', (table) => {
    table.dropIndex(['organization', 'upstream', 'confirmed_at']);
  });
  await knex.schema.dropTable('outage_minute');
}
