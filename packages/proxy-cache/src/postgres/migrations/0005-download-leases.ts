import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('download_lease', (table) => {
    // Processes that do not share a spool have nothing to follow, and download each for itself.
    table.text('spool').notNullable();
    table.text('organization').notNullable();
    table.text('upstream').notNullable();
    table.text('repository').notNullable();
    table.text('digest').notNullable();
    table.text('holder').notNullable();
    table.timestamp('expires_at', { useTz: true }).notNullable();
    table.bigInteger('size');
    // What the upstream failed with, for those who wait for the same outcome.
    table.jsonb('failure');
    table.primary(['spool', 'organization', 'upstream', 'repository', 'digest']);
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('download_lease');
}
