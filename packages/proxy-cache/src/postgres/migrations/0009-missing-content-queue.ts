import type { Knex } from 'knex';

/** What waits, without what was given up or is left to clients: the background looks for it every second. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(
    `create index missing_content_queue on missing_content (organization, upstream, priority, not_before)
       where state = 'queued'`,
  );
  await knex.schema.alterTable('missing_content', (table) => {
    table.dropIndex(['organization', 'upstream', 'state', 'priority', 'not_before']);
    // For pruning.
    table.index(['noted_at']);
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.alterTable('missing_content', (table) => {
    table.index(['organization', 'upstream', 'state', 'priority', 'not_before']);
    table.dropIndex(['noted_at']);
  });
  await knex.raw('drop index missing_content_queue');
}
