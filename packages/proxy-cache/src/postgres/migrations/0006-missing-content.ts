import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('missing_content', (table) => {
    table.text('organization').notNullable();
    table.text('upstream').notNullable();
    table.text('repository').notNullable();
    table.text('digest').notNullable();
    table.text('kind').notNullable();
    table.bigInteger('size').notNullable();
    // The manifests that refer to it.
    table.specificType('needed_by', 'text[]').notNullable();
    table.text('wanted_by').notNullable();
    table.smallint('priority').notNullable();
    // Most bytes of one image, for what is found out about it later.
    table.bigInteger('max_bytes').notNullable();
    table.text('state').notNullable();
    table.integer('attempts').notNullable().defaultTo(0);
    table.timestamp('noted_at', { useTz: true }).notNullable();
    table.timestamp('not_before', { useTz: true }).notNullable();
    table.text('lease_owner');
    table.timestamp('leased_until', { useTz: true });
    table.text('failure_class');
    table.text('failed_origin');
    table.timestamp('failed_at', { useTz: true });
    table.primary(['organization', 'upstream', 'repository', 'digest']);
    // What is fetched next for an organization, and what may be tried when an origin is due for a check.
    table.index(['organization', 'upstream', 'state', 'priority', 'not_before']);
    table.index(['failed_origin']);
    table.index(['lease_owner']);
  });
  await knex.schema.alterTable('cached_tag', (table) => {
    table.text('previous_digest');
    table.timestamp('previous_confirmed_at', { useTz: true });
  });
  await knex.raw(
    `create index cached_tag_previous on cached_tag (organization, upstream, repository, previous_digest)
       where previous_digest is not null`,
  );
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.alterTable('cached_tag', (table) => {
    table.dropColumns('previous_digest', 'previous_confirmed_at');
  });
  await knex.schema.dropTable('missing_content');
}
