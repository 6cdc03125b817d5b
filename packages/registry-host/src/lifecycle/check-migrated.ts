import type { Knex } from 'knex';
import { allMigrations } from './migrate.js';
import { NoRegistryError } from './no-registry-error.js';

/**
 * Makes sure that the tables are those of this version, without changing them: whoever only looks in must not bring a
 * database up to date beneath the registries that use it.
 *
 * @throws NoRegistryError
 */
export async function checkMigrated(database: Knex): Promise<void> {
  for (const migrations of allMigrations()) {
    const source = migrations.migrationSource;
    if (source === undefined || migrations.tableName === undefined) continue;
    const ours = (await source.getMigrations([])).map((each) => source.getMigrationName(each));
    const { rows } = await database.raw<{ readonly rows: readonly { readonly found: boolean }[] }>(
      'SELECT to_regclass(:table) IS NOT NULL AS found',
      { table: migrations.tableName },
    );
    const done =
      rows[0]?.found === true
        ? (await database<{ readonly name: string }>(migrations.tableName).select('name')).map(({ name }) => name)
        : [];
    if (ours.some((name) => !done.includes(name))) {
      throw new NoRegistryError(
        'the database is older than this program, or empty: start the registry of this version once, which brings it up to date',
      );
    }
    if (done.some((name) => !ours.includes(name))) {
      throw new NoRegistryError('the database is newer than this program: use the program of the version that runs');
    }
  }
}
