import { createHash } from 'node:crypto';
import type { Knex } from 'knex';
import { asAdministrator, openPool } from './pool.js';
import type { TestConnection } from './test-server.js';

/** Key of the advisory lock under which a template is made; any number that nothing else on the test server uses. */
const TEMPLATE_LOCK = 4_711;

/**
 * The name of a database in which the migrations have run; made by the first who asks, whichever jest worker that is.
 */
export async function templateDatabase(
  server: TestConnection,
  migrations: readonly Knex.MigratorConfig[],
): Promise<string> {
  const name = `template_${await fingerprint(migrations)}`;
  await asAdministrator(server, (admin) =>
    // The lock belongs to the connection, so everything that it guards has to run on the transaction's one; creating a
    // database cannot run in a transaction, so it has another.
    admin.transaction(async (lock) => {
      await lock.raw('select pg_advisory_xact_lock(?)', [TEMPLATE_LOCK]);
      const { rows } = (await lock.raw('select 1 from pg_database where datname = ?', [name])) as { rows: unknown[] };
      if (rows.length === 0) await build(server, name, migrations);
    }),
  );
  return name;
}

/** The name comes last, so that a template which could not be migrated is never taken for one that was. */
async function build(server: TestConnection, name: string, migrations: readonly Knex.MigratorConfig[]): Promise<void> {
  const unfinished = `unfinished_${name}`;
  await asAdministrator(server, async (admin) => {
    await admin.raw('drop database if exists ??', [unfinished]);
    await admin.raw('create database ??', [unfinished]);
    const pool = openPool({ ...server, database: unfinished });
    try {
      for (const migration of migrations) await pool.migrate.latest(migration);
    } finally {
      await pool.destroy();
    }
    await admin.raw('alter database ?? rename to ??', [unfinished, name]);
  });
}

/** Equal for the same migrations: their tables, names and code. */
async function fingerprint(migrations: readonly Knex.MigratorConfig[]): Promise<string> {
  const hash = createHash('sha256');
  for (const config of migrations) {
    const source = config.migrationSource;
    if (source === undefined) throw new Error('test databases take migrations with a migrationSource');
    hash.update(`${config.tableName ?? ''}\n`);
    for (const migration of await source.getMigrations(config.loadExtensions ?? [])) {
      const { up } = await source.getMigration(migration);
      hash.update(`${source.getMigrationName(migration)}\n${up}\n`);
    }
  }
  return hash.digest('hex').slice(0, 24);
}
