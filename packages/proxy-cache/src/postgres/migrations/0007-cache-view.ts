import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  // The list of cached tags by last pull, page by page.
  await knex.raw(
    'create index cached_tag_last_used on cached_tag (organization, upstream, last_used_at, repository, tag)',
  );
  // What a preview of a purge showed, so that the purge takes exactly that.
  await knex.schema.createTable('purge_plan', (table) => {
    table.text('id').notNullable().primary();
    table.text('organization').notNullable();
    table.text('upstream').notNullable();
    table.text('scope').notNullable();
    table.text('repository');
    table.timestamp('made_at', { useTz: true }).notNullable();
    table.index(['made_at']);
  });
  await knex.schema.createTable('purge_plan_tag', (table) => {
    table.text('id').notNullable().references('id').inTable('purge_plan').onDelete('CASCADE');
    table.text('repository').notNullable();
    table.text('tag').notNullable();
    table.text('digest').notNullable();
    table.primary(['id', 'repository', 'tag']);
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('purge_plan_tag');
  await knex.schema.dropTable('purge_plan');
  await knex.raw('drop index cached_tag_last_used');
}
