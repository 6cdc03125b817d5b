import type { Knex } from 'knex';

/** One row for each task that one process of the cluster does at a time, with how far it is. Times are ms since the epoch. */
export async function up(database: Knex): Promise<void> {
  await database.raw(`
    CREATE TABLE storage_task (
      name text COLLATE "C" PRIMARY KEY,
      holder text,
      lease_until bigint,
      started_at bigint NOT NULL,
      finished_at bigint,
      progress jsonb,
      report jsonb
    );
  `);
}

export async function down(database: Knex): Promise<void> {
  await database.raw('DROP TABLE storage_task');
}
