import type { Knex } from 'knex';

interface Migration {
  readonly name: string;
  up(knex: Knex): Promise<unknown>;
}

/**
 * `proxy_cache_change` holds one row. Its number is raised first in every write, so that writes are serialized and the
 * numbers become visible in their order: whoever has seen a number has seen everything up to it. It is also the version
 * of the row that was written and of its audit row, and never repeats, deletions included.
 */
const MIGRATIONS: readonly Migration[] = [
  {
    name: '0001_proxy_cache_config',
    up: (knex) =>
      knex.raw(`
        create table proxy_cache_change (
          only_row boolean primary key default true check (only_row),
          number bigint not null
        );
        insert into proxy_cache_change (number) values (0);

        create table proxy_cache_config (
          organization text primary key,
          upstream_registry text not null,
          insecure boolean not null,
          credentials bytea,
          credential_version bigint not null,
          staleness_period_s integer not null check (staleness_period_s between 0 and 315360000),
          check_interval_s integer check (check_interval_s between 0 and staleness_period_s),
          expiration_s integer not null check (expiration_s between 0 and 315360000),
          serve_when_removed boolean not null,
          serve_when_denied boolean not null,
          anonymous_pull boolean not null,
          version bigint not null,
          created_at timestamptz not null,
          updated_at timestamptz not null
        );

        create table proxy_cache_audit (
          change_number bigint primary key,
          organization text not null,
          performed_by text not null,
          kind text not null,
          changes jsonb not null,
          at timestamptz not null
        );
        create index proxy_cache_audit_by_organization on proxy_cache_audit (organization, change_number);
      `),
  },
  {
    name: '0002_upstream_ca',
    up: (knex) =>
      knex.raw(`
        alter table proxy_cache_config
          add column upstream_ca_pem text check (octet_length(upstream_ca_pem) <= 131072);
      `),
  },
  {
    name: '0003_prefetch',
    up: (knex) =>
      knex.raw(`
        alter table proxy_cache_config
          add column prefetch text not null default 'image' check (prefetch in ('image', 'all_platforms', 'off')),
          add column prefetch_max_bytes bigint not null default 10737418240
            check (prefetch_max_bytes between 1 and 1099511627776);
      `),
  },
  {
    name: '0004_quota',
    up: (knex) => knex.raw('alter table proxy_cache_config add column quota_bytes bigint check (quota_bytes > 0)'),
  },
  {
    name: '0005_audit_retention',
    up: (knex) => knex.raw('create index proxy_cache_audit_by_time on proxy_cache_audit (at)'),
  },
];

/** The migrations of this package, with a table of their own: `knex.migrate.latest(orgSettingsMigrations())`. */
export function orgSettingsMigrations(): Knex.MigratorConfig {
  const migrationSource: Knex.MigrationSource<Migration> = {
    getMigrations: async () => [...MIGRATIONS],
    getMigrationName: (migration) => migration.name,
    getMigration: async (migration) => ({
      up: async (knex) => {
        await migration.up(knex);
      },
      down: async () => {
        throw new Error(`${migration.name} cannot be undone: migrations go forward only`);
      },
    }),
  };
  return { tableName: 'org_settings_migrations', migrationSource };
}
