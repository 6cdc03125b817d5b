import type { Knex } from 'knex';
import * as content from './0001-content.js';
import * as contentDamage from './0002-content-damage.js';
import * as push from './0003-push.js';
import * as access from './0004-access.js';
import * as storageTask from './0005-storage-task.js';
import * as robots from './0006-robots.js';
import * as sweepCandidates from './0007-sweep-candidates.js';
import * as accountLog from './0008-account-log.js';

interface NamedMigration extends Knex.Migration {
  readonly name: string;
}

/** In the order in which they run. Names are recorded in the database: never rename, never edit one that was released. */
const MIGRATIONS: readonly NamedMigration[] = [
  { name: '0001-content', up: content.up, down: content.down },
  { name: '0002-content-damage', up: contentDamage.up, down: contentDamage.down },
  { name: '0003-push', up: push.up, down: push.down },
  { name: '0004-access', up: access.up, down: access.down },
  { name: '0005-storage-task', up: storageTask.up, down: storageTask.down },
  { name: '0006-robots', up: robots.up, down: robots.down },
  { name: '0007-sweep-candidates', up: sweepCandidates.up, down: sweepCandidates.down },
  { name: '0008-account-log', up: accountLog.up, down: accountLog.down },
];

/** The host's tables, for `knex.migrate.latest`. They are recorded in a table of their own, apart from other packages'. */
export function registryHostMigrations(): Knex.MigratorConfig {
  return {
    tableName: 'registry_host_migrations',
    migrationSource: {
      getMigrations: async () => [...MIGRATIONS],
      getMigrationName: (migration: NamedMigration) => migration.name,
      getMigration: async (migration: NamedMigration) => migration,
    },
  };
}
