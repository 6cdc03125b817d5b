import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('warm_request', (table) => {
    table.uuid('id').notNullable().primary();
    table.text('organization').notNullable();
    table.text('upstream').notNullable();
    table.text('requested_by').notNullable();
    table.timestamp('requested_at', { useTz: true }).notNullable();
    // Of an index; null = all of them.
    table.specificType('platforms', 'text[]');
    table.index(['requested_at']);
  });
  await knex.schema.createTable('warm_reference', (table) => {
    table.uuid('warm_id').notNullable().references('id').inTable('warm_request').onDelete('cascade');
    table.integer('position').notNullable();
    table.text('repository').notNullable();
    table.text('reference').notNullable();
    table.text('state').notNullable();
    // The manifest and, of an index, those of its platforms that are wanted.
    table.specificType('manifests', 'text[]').notNullable().defaultTo('{}');
    table.bigInteger('fetched_bytes').notNullable().defaultTo(0);
    table.text('failure_reason');
    table.text('failure_message');
    table.integer('attempts').notNullable().defaultTo(0);
    table.timestamp('not_before', { useTz: true }).notNullable();
    table.text('lease_owner');
    table.timestamp('leased_until', { useTz: true });
    table.primary(['warm_id', 'position']);
  });
  // What is under way; what is done is read by its request only.
  await knex.raw(
    `create index warm_reference_open on warm_reference (state, not_before) where state in ('waiting', 'fetching')`,
  );
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('warm_reference');
  await knex.schema.dropTable('warm_request');
}
