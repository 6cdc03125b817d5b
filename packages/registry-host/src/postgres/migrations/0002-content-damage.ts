import type { Knex } from 'knex';

/**
 * What was found not to be what its digest says. A row is a mark: marked content is never served, however it looks, until
 * it was stored anew or read again and found right. `generation` is '' for manifests. Without foreign keys, so that marks
 * take part in no lock order; a mark whose content is gone means nothing and is removed by the next reconciliation.
 */
export async function up(database: Knex): Promise<void> {
  await database.raw(`
    CREATE TABLE content_damage (
      kind text COLLATE "C" NOT NULL CHECK (kind IN ('manifest', 'blob')),
      digest text COLLATE "C" NOT NULL,
      generation text COLLATE "C" NOT NULL,
      damage text COLLATE "C" NOT NULL CHECK (damage IN ('missing', 'size', 'content', 'unreadable')),
      found_at bigint NOT NULL,
      PRIMARY KEY (kind, digest, generation)
    );

    CREATE TABLE manifest_quarantine (
      digest text COLLATE "C" NOT NULL,
      quarantined_at bigint NOT NULL,
      bytes bytea NOT NULL,
      PRIMARY KEY (digest, quarantined_at)
    );
    CREATE INDEX manifest_quarantine_time ON manifest_quarantine (quarantined_at);
  `);
}

export async function down(database: Knex): Promise<void> {
  await database.raw('DROP TABLE manifest_quarantine, content_damage');
}
