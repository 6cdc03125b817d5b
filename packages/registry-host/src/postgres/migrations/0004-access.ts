import type { Knex } from 'knex';

/**
 * `access_change` holds one row, raised by every write that may change who may do what, so that processes know when to
 * forget what they remember. Secrets are stored as SHA-256: they are random and long, so that nothing is gained by hashing
 * them slowly.
 */
export async function up(database: Knex): Promise<void> {
  await database.raw(`
    ALTER TABLE registry_user ADD COLUMN created_at bigint NOT NULL DEFAULT 0;

    CREATE TABLE organization_member (
      organization text COLLATE "C" NOT NULL REFERENCES organization ON DELETE CASCADE,
      user_name text COLLATE "C" NOT NULL REFERENCES registry_user ON DELETE CASCADE,
      role text COLLATE "C" NOT NULL CHECK (role IN ('admin', 'member')),
      PRIMARY KEY (organization, user_name)
    );
    CREATE INDEX organization_member_user ON organization_member (user_name, organization);

    CREATE TABLE api_token (
      id text COLLATE "C" PRIMARY KEY,
      user_name text COLLATE "C" NOT NULL REFERENCES registry_user ON DELETE CASCADE,
      title text NOT NULL,
      secret_hash bytea NOT NULL,
      created_at bigint NOT NULL,
      expires_at bigint,
      last_used_at bigint
    );
    CREATE INDEX api_token_user ON api_token (user_name, id);

    CREATE TABLE web_session (
      id_hash bytea PRIMARY KEY,
      user_name text COLLATE "C" NOT NULL REFERENCES registry_user ON DELETE CASCADE,
      created_at bigint NOT NULL,
      last_used_at bigint NOT NULL
    );
    CREATE INDEX web_session_user ON web_session (user_name);
    CREATE INDEX web_session_created ON web_session (created_at);
    CREATE INDEX web_session_used ON web_session (last_used_at);

    CREATE TABLE access_change (
      only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
      number bigint NOT NULL
    );
    INSERT INTO access_change (number) VALUES (0);
  `);
}

export async function down(database: Knex): Promise<void> {
  await database.raw(`
    DROP TABLE access_change, web_session, api_token, organization_member;
    ALTER TABLE registry_user DROP COLUMN created_at;
  `);
}
