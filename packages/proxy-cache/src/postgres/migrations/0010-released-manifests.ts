import type { Knex } from 'knex';

/**
 * `released_manifest` is a queue of manifests that a cached tag or a use by digest has left: garbage collection looks at
 * these instead of at everything that is stored. Triggers fill it, so that no code that moves or removes a tag, now or
 * later, has to remember to. The indexes find what is due without reading what is not.
 *
 * `cached_tag_change.collector_token` is the highest token of a collection that has removed a tag.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table released_manifest (
      id bigint generated always as identity primary key,
      organization text not null,
      upstream text not null,
      repository text not null,
      digest text not null
    );

    create function release_tagged_manifests() returns trigger language plpgsql as $$
      begin
        insert into released_manifest (organization, upstream, repository, digest)
        select old.organization, old.upstream, old.repository, d.digest
          from unnest(array[old.digest, old.previous_digest]) as d (digest) where d.digest is not null;
        return null;
      end $$;
    create trigger cached_tag_gone after delete on cached_tag
      for each row execute function release_tagged_manifests();
    create trigger cached_tag_moved after update of digest, previous_digest on cached_tag
      for each row when (old.digest is distinct from new.digest or old.previous_digest is distinct from new.previous_digest)
      execute function release_tagged_manifests();

    create function release_used_manifest() returns trigger language plpgsql as $$
      begin
        insert into released_manifest (organization, upstream, repository, digest)
        values (old.organization, old.upstream, old.repository, old.digest);
        return null;
      end $$;
    create trigger digest_use_gone after delete on digest_use
      for each row execute function release_used_manifest();

    create index cached_tag_by_confirmation on cached_tag (organization, upstream, confirmed_at, repository, tag)
      where not pinned;
    create index digest_use_by_use on digest_use (organization, upstream, last_used_at, repository, digest);
    create index digest_use_by_confirmation on digest_use (organization, upstream, confirmed_at, repository, digest);

    alter table cached_tag_change add column collector_token bigint not null default 0;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table cached_tag_change drop column collector_token;
    drop index cached_tag_by_confirmation, digest_use_by_use, digest_use_by_confirmation;
    drop trigger digest_use_gone on digest_use;
    drop trigger cached_tag_moved on cached_tag;
    drop trigger cached_tag_gone on cached_tag;
    drop function release_used_manifest, release_tagged_manifests;
    drop table released_manifest;
  `);
}
