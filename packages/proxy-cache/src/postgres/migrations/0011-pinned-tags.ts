import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  // Pins are few among many tags.
  await knex.raw('create index cached_tag_pinned on cached_tag (organization, upstream, repository, tag) where pinned');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop index cached_tag_pinned');
}
