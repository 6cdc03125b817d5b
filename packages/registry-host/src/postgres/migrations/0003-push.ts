import type { Knex } from 'knex';

/**
 * Uploads under way, and which manifests refer to which by their `subject`. `blob_upload.writer` is the lease of whoever
 * writes at the moment; a manifest has at most one subject, whichever repository it is in.
 */
export async function up(database: Knex): Promise<void> {
  await database.raw(`
    CREATE TABLE blob_upload (
      id text COLLATE "C" PRIMARY KEY,
      organization text COLLATE "C" NOT NULL,
      repository text COLLATE "C" NOT NULL,
      bytes bigint NOT NULL,
      started_at bigint NOT NULL,
      touched_at bigint NOT NULL,
      writer text COLLATE "C",
      writer_until bigint
    );
    CREATE INDEX blob_upload_touched ON blob_upload (touched_at, id);

    CREATE TABLE manifest_subject (
      digest text COLLATE "C" PRIMARY KEY REFERENCES manifest ON DELETE CASCADE,
      subject text COLLATE "C" NOT NULL,
      artifact_type text COLLATE "C",
      annotations text
    );
    CREATE INDEX manifest_subject_target ON manifest_subject (subject, digest);
  `);
}

export async function down(database: Knex): Promise<void> {
  await database.raw('DROP TABLE manifest_subject, blob_upload');
}
