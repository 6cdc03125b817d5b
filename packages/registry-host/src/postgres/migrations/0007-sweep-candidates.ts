import type { Knex } from 'knex';

/**
 * `sweep_candidate` is a queue of links to look at. Rows are only ever added and taken out by their number: nobody waits
 * for anybody, and word that comes while an earlier one is looked at is not lost. Triggers fill it, so that no code that
 * unlinks something, now or later, has to remember to. `not_before` is compared with the end of the lease.
 *
 * `collector_fence` has the highest token of a run that has removed anything.
 */
export async function up(database: Knex): Promise<void> {
  await database.raw(`
    CREATE TABLE sweep_candidate (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      organization text COLLATE "C" NOT NULL,
      upstream text COLLATE "C" NOT NULL,
      repository text COLLATE "C" NOT NULL,
      kind text COLLATE "C" NOT NULL,
      digest text COLLATE "C" NOT NULL,
      not_before bigint NOT NULL
    );
    CREATE INDEX sweep_candidate_due ON sweep_candidate (not_before, id);

    CREATE TABLE collector_fence (
      singleton boolean PRIMARY KEY CHECK (singleton),
      token bigint NOT NULL
    );
    INSERT INTO collector_fence (singleton, token) VALUES (true, 0);

    CREATE FUNCTION sweep_new_link() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO sweep_candidate (organization, upstream, repository, kind, digest, not_before)
        VALUES (NEW.organization, NEW.upstream, NEW.repository, NEW.kind, NEW.digest, NEW.used_at);
        RETURN NULL;
      END $$;
    CREATE TRIGGER content_link_made AFTER INSERT ON content_link
      FOR EACH ROW EXECUTE FUNCTION sweep_new_link();

    CREATE FUNCTION sweep_kept_links() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO sweep_candidate (organization, upstream, repository, kind, digest, not_before)
        SELECT OLD.organization, OLD.upstream, OLD.repository, r.kind, r.referenced_digest, 0
          FROM manifest_reference r WHERE r.digest = OLD.digest
        UNION ALL
        SELECT OLD.organization, OLD.upstream, OLD.repository, 'manifest', s.digest, 0
          FROM manifest_subject s WHERE s.subject = OLD.digest;
        RETURN NULL;
      END $$;
    CREATE TRIGGER content_link_gone AFTER DELETE ON content_link
      FOR EACH ROW WHEN (OLD.kind = 'manifest') EXECUTE FUNCTION sweep_kept_links();

    CREATE FUNCTION sweep_untagged_manifest() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO sweep_candidate (organization, upstream, repository, kind, digest, not_before)
        VALUES (OLD.organization, '', OLD.repository, 'manifest', OLD.digest, 0);
        RETURN NULL;
      END $$;
    CREATE TRIGGER hosted_tag_gone AFTER DELETE ON hosted_tag
      FOR EACH ROW EXECUTE FUNCTION sweep_untagged_manifest();
    CREATE TRIGGER hosted_tag_moved AFTER UPDATE OF digest ON hosted_tag
      FOR EACH ROW WHEN (OLD.digest IS DISTINCT FROM NEW.digest) EXECUTE FUNCTION sweep_untagged_manifest();

    INSERT INTO sweep_candidate (organization, upstream, repository, kind, digest, not_before)
    SELECT organization, upstream, repository, kind, digest, used_at FROM content_link;

    DROP INDEX content_link_sweep;
  `);
}

export async function down(database: Knex): Promise<void> {
  await database.raw(`
    CREATE INDEX content_link_sweep ON content_link (kind, used_at, organization, upstream, repository, digest);
    DROP TRIGGER hosted_tag_moved ON hosted_tag;
    DROP TRIGGER hosted_tag_gone ON hosted_tag;
    DROP TRIGGER content_link_gone ON content_link;
    DROP TRIGGER content_link_made ON content_link;
    DROP FUNCTION sweep_untagged_manifest, sweep_kept_links, sweep_new_link;
    DROP TABLE collector_fence, sweep_candidate;
  `);
}
