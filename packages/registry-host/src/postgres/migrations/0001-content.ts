import type { Knex } from 'knex';

/**
 * Times are milliseconds since the epoch (`bigint`), always a parameter. Text that is compared or listed has the "C"
 * collation: byte order is the spec's order of tags, and does not change with the operating system's locale data.
 *
 * `content_link.upstream` is '' for hosted content. The media type stands on the link and not on the manifest: bytes
 * without a `mediaType` of their own have the type that their upstream gave them, and what one organization's upstream
 * says must not show in another's answers.
 */
export async function up(database: Knex): Promise<void> {
  await database.raw(`
    CREATE TABLE organization (
      name text COLLATE "C" PRIMARY KEY,
      created_at bigint NOT NULL
    );

    CREATE TABLE registry_user (
      name text COLLATE "C" PRIMARY KEY,
      password_hash text NOT NULL,
      is_administrator boolean NOT NULL
    );

    CREATE TABLE manifest (
      digest text COLLATE "C" PRIMARY KEY,
      bytes bytea NOT NULL,
      size bigint NOT NULL,
      unlinked_since bigint
    );
    CREATE INDEX manifest_unlinked ON manifest (unlinked_since, digest) WHERE unlinked_since IS NOT NULL;

    CREATE TABLE manifest_reference (
      digest text COLLATE "C" NOT NULL REFERENCES manifest ON DELETE CASCADE,
      kind text COLLATE "C" NOT NULL CHECK (kind IN ('manifest', 'blob')),
      referenced_digest text COLLATE "C" NOT NULL,
      PRIMARY KEY (digest, kind, referenced_digest)
    );
    CREATE INDEX manifest_reference_target ON manifest_reference (referenced_digest, kind, digest);

    CREATE TABLE content_link (
      organization text COLLATE "C" NOT NULL,
      upstream text COLLATE "C" NOT NULL,
      repository text COLLATE "C" NOT NULL,
      kind text COLLATE "C" NOT NULL CHECK (kind IN ('manifest', 'blob')),
      digest text COLLATE "C" NOT NULL,
      media_type text CHECK ((media_type IS NOT NULL) = (kind = 'manifest')),
      linked_at bigint NOT NULL,
      used_at bigint NOT NULL,
      PRIMARY KEY (organization, upstream, repository, kind, digest)
    );
    CREATE INDEX content_link_sweep ON content_link (kind, used_at, organization, upstream, repository, digest);
    CREATE INDEX content_link_digest ON content_link (digest, kind);

    CREATE TABLE hosted_tag (
      organization text COLLATE "C" NOT NULL,
      repository text COLLATE "C" NOT NULL,
      tag text COLLATE "C" NOT NULL,
      digest text COLLATE "C" NOT NULL,
      PRIMARY KEY (organization, repository, tag)
    );
    CREATE INDEX hosted_tag_digest ON hosted_tag (organization, repository, digest);

    CREATE TABLE blob (
      digest text COLLATE "C" NOT NULL,
      generation text COLLATE "C" NOT NULL,
      size bigint NOT NULL,
      state text COLLATE "C" NOT NULL CHECK (state IN ('live', 'deleting')),
      created_at bigint NOT NULL,
      unlinked_since bigint,
      PRIMARY KEY (digest, generation)
    );
    CREATE UNIQUE INDEX blob_live ON blob (digest) WHERE state = 'live';
    CREATE INDEX blob_unlinked ON blob (unlinked_since, digest) WHERE state = 'live' AND unlinked_since IS NOT NULL;
    CREATE INDEX blob_deleting ON blob (digest, generation) WHERE state = 'deleting';

    CREATE TABLE blob_store_identity (
      singleton boolean PRIMARY KEY CHECK (singleton),
      id text NOT NULL
    );
  `);
}

export async function down(database: Knex): Promise<void> {
  await database.raw(`
    DROP TABLE blob_store_identity, blob, hosted_tag, content_link, manifest_reference, manifest, registry_user,
      organization
  `);
}
