import type { Knex } from 'knex';

/** What was done with accounts: users, their passwords and API tokens, sign-ins. Written in the transaction of the change. */
export async function up(database: Knex): Promise<void> {
  await database.raw(`
    CREATE TABLE account_log (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      at bigint NOT NULL,
      kind text COLLATE "C" NOT NULL,
      performed_by text COLLATE "C",
      address text,
      details jsonb NOT NULL
    );
    CREATE INDEX account_log_at ON account_log (at);
  `);
}

export async function down(database: Knex): Promise<void> {
  await database.raw('DROP TABLE account_log');
}
