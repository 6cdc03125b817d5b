import type { Knex } from 'knex';
import { createRunTables } from './migrations/0001-create-run-tables.js';
import { auditContent } from './migrations/0002-audit-content.js';
import { brakedRuns } from './migrations/0003-braked-runs.js';
import { runsByToken } from './migrations/0004-runs-by-token.js';
import { auditEverything } from './migrations/0005-audit-everything.js';
import { skippedRuns } from './migrations/0006-skipped-runs.js';

interface NamedMigration extends Knex.Migration {
  readonly name: string;
}

/** In the order in which they are applied. A name that was ever released stays. */
const MIGRATIONS: readonly NamedMigration[] = [
  createRunTables,
  auditContent,
  brakedRuns,
  runsByToken,
  auditEverything,
  skippedRuns,
];

/** How a host migrates the tables of this package: `knex.migrate.latest(gcMigrations())`. */
export function gcMigrations(): Knex.MigratorConfig {
  const migrationSource: Knex.MigrationSource<NamedMigration> = {
    getMigrations: async () => [...MIGRATIONS],
    getMigrationName: (migration) => migration.name,
    getMigration: async (migration) => migration,
  };
  return { tableName: 'gc_migrations', migrationSource };
}
