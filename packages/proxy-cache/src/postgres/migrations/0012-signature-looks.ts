import type { Knex } from 'knex';

/** When the signatures of each image that is pulled were looked for, and when they are to be again. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('signature_look', (table) => {
    table.text('organization').notNullable();
    table.text('upstream').notNullable();
    table.text('repository').notNullable();
    table.text('digest').notNullable();
    table.boolean('pending').notNullable();
    table.timestamp('next_at', { useTz: true }).notNullable();
    table.timestamp('absent_at', { useTz: true }).notNullable();
    table.integer('misses').notNullable().defaultTo(0);
    table.integer('attempts').notNullable().defaultTo(0);
    table.primary(['organization', 'upstream', 'repository', 'digest']);
    // For pruning.
    table.index(['next_at']);
  });
  await knex.raw('create index signature_look_queue on signature_look (organization, upstream, next_at) where pending');
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('signature_look');
}
