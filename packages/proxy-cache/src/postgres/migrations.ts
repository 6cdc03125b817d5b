import type { Knex } from 'knex';
import * as outageMinutes from './migrations/0002-outage-minutes.js';
import * as tokenServersAndRateLimits from './migrations/0003-token-servers-and-rate-limits.js';
import * as cachedListings from './migrations/0004-cached-listings.js';
import * as downloadLeases from './migrations/0005-download-leases.js';
import * as missingContent from './migrations/0006-missing-content.js';
import * as cacheView from './migrations/0007-cache-view.js';
import * as warmRequests from './migrations/0008-warm-requests.js';
import * as missingContentQueue from './migrations/0009-missing-content-queue.js';
import * as releasedManifests from './migrations/0010-released-manifests.js';
import * as pinnedTags from './migrations/0011-pinned-tags.js';
import * as signatureLooks from './migrations/0012-signature-looks.js';
import * as lastFailureClass from './migrations/0013-last-failure-class.js';
import * as purgeTargets from './migrations/0014-purge-targets.js';

interface ProxyCacheMigration extends Knex.Migration {
  readonly name: string;
}

const tables: ProxyCacheMigration = {
  name: '0001_tables',
  async up(knex) {
    await knex.schema.createTable('cached_tag', (table) => {
      table.text('organization').notNullable();
      table.text('upstream').notNullable();
      table.text('repository').notNullable();
      table.text('tag').notNullable();
      table.text('origin').notNullable();
      table.text('digest').notNullable();
      table.timestamp('confirmed_at', { useTz: true }).notNullable();
      table.timestamp('last_used_at', { useTz: true }).notNullable();
      table.boolean('pinned').notNullable().defaultTo(false);
      table.primary(['organization', 'upstream', 'repository', 'tag']);
      table.index(['origin', 'last_used_at']);
      table.index(['organization', 'upstream', 'repository', 'digest']);
    });
    await knex.schema.createTable('digest_use', (table) => {
      table.text('organization').notNullable();
      table.text('upstream').notNullable();
      table.text('repository').notNullable();
      table.text('digest').notNullable();
      table.timestamp('confirmed_at', { useTz: true }).notNullable();
      table.timestamp('last_used_at', { useTz: true }).notNullable();
      table.primary(['organization', 'upstream', 'repository', 'digest']);
    });
    await knex.schema.createTable('upstream_health', (table) => {
      table.text('origin').notNullable();
      table.text('credential').notNullable();
      table.text('failure_class');
      table.integer('failures').notNullable().defaultTo(0);
      table.integer('upstream_status');
      table.timestamp('down_since', { useTz: true });
      table.timestamp('next_check_at', { useTz: true });
      table.timestamp('retry_after_until', { useTz: true });
      table.timestamp('last_success_at', { useTz: true });
      table.timestamp('last_failure_at', { useTz: true });
      table.primary(['origin', 'credential']);
    });
    // One number for all moves of tags: replicas compare it once a second to know whether what they hold is the latest.
    await knex.schema.createTable('cached_tag_change', (table) => {
      table.integer('id').primary();
      table.bigInteger('number').notNullable();
    });
    await knex('cached_tag_change').insert({ id: 1, number: 0 });
  },
  async down(knex) {
    for (const table of ['cached_tag_change', 'upstream_health', 'digest_use', 'cached_tag']) {
      await knex.schema.dropTable(table);
    }
  },
};

/** In the order in which they run. Names are recorded in the database: never rename, never edit one that was released. */
const MIGRATIONS: readonly ProxyCacheMigration[] = [
  tables,
  { name: '0002_outage_minutes', up: outageMinutes.up, down: outageMinutes.down },
  {
    name: '0003_token_servers_and_rate_limits',
    up: tokenServersAndRateLimits.up,
    down: tokenServersAndRateLimits.down,
  },
  { name: '0004_cached_listings', up: cachedListings.up, down: cachedListings.down },
  { name: '0005_download_leases', up: downloadLeases.up, down: downloadLeases.down },
  { name: '0006_missing_content', up: missingContent.up, down: missingContent.down },
  { name: '0007_cache_view', up: cacheView.up, down: cacheView.down },
  { name: '0008_warm_requests', up: warmRequests.up, down: warmRequests.down },
  { name: '0009_missing_content_queue', up: missingContentQueue.up, down: missingContentQueue.down },
  { name: '0010_released_manifests', up: releasedManifests.up, down: releasedManifests.down },
  { name: '0011_pinned_tags', up: pinnedTags.up, down: pinnedTags.down },
  { name: '0012_signature_looks', up: signatureLooks.up, down: signatureLooks.down },
  { name: '0013_last_failure_class', up: lastFailureClass.up, down: lastFailureClass.down },
  { name: '0014_purge_targets', up: purgeTargets.up, down: purgeTargets.down },
];

/** The migrations of this package's tables, for `knex.migrate.latest(proxyCacheMigrations())`. */
export function proxyCacheMigrations(): Knex.MigratorConfig {
  return {
    tableName: 'proxy_cache_migrations',
    migrationSource: {
      getMigrations: async () => [...MIGRATIONS],
      getMigrationName: (migration: ProxyCacheMigration) => migration.name,
      getMigration: async (migration: ProxyCacheMigration) => migration,
    },
  };
}
