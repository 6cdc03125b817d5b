import type { Knex } from 'knex';

/** Robots: accounts for programs, of one organization, called `<organization>+<name>`. */
export async function up(database: Knex): Promise<void> {
  await database.raw(`
    CREATE TABLE robot_account (
      organization text COLLATE "C" NOT NULL REFERENCES organization ON DELETE CASCADE,
      name text COLLATE "C" NOT NULL,
      role text COLLATE "C" NOT NULL CHECK (role IN ('read', 'write')),
      description text NOT NULL,
      password_hash text NOT NULL,
      created_at bigint NOT NULL,
      PRIMARY KEY (organization, name)
    );
  `);
}

export async function down(database: Knex): Promise<void> {
  await database.raw('DROP TABLE robot_account');
}
