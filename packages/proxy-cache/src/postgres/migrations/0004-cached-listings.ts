import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('cached_listing', (table) => {
    table.text('organization').notNullable();
    table.text('upstream').notNullable();
    table.text('repository').notNullable();
    table.text('kind').notNullable();
    table.text('subject').notNullable();
    table.text('page').notNullable();
    table.text('origin').notNullable();
    // Not jsonb: the bytes of an index are kept as they came, and jsonb refuses an escaped NUL.
    table.text('body').notNullable();
    table.text('next');
    table.boolean('filtered').notNullable();
    table.timestamp('confirmed_at', { useTz: true }).notNullable();
    table.timestamp('last_used_at', { useTz: true }).notNullable();
    table.primary(['organization', 'upstream', 'repository', 'kind', 'subject', 'page']);
    // Which one shows best how an upstream is.
    table.index(['origin', 'last_used_at']);
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('cached_listing');
}
