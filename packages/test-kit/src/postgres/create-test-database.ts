import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import { asAdministrator, openPool } from './pool.js';
import { templateDatabase } from './template-database.js';
import { type TestConnection, testServer } from './test-server.js';

/** A database that belongs to one test file. */
export interface TestDatabase {
  /** A pool on the database. */
  readonly knex: Knex;
  /** For more pools on the same database: a second process of a cluster, say. Whoever opens them destroys them. */
  readonly connection: TestConnection;
  /**
   * Ends every session and refuses new ones, as a server that is gone does; resolves to what lets them in again. An outage
   * is not to be had by `destroy()` of a pool: what asks a pool while it is being destroyed is left to its time limit.
   */
  takeDown(): Promise<() => Promise<void>>;
  /**
   * Destroys `knex` and drops the database. Throws when somebody else still has a connection to it: whatever was
   * started in the test has not been stopped.
   */
  drop(): Promise<void>;
}

export interface TestDatabaseOptions {
  /** What each package exports for its tables, in the order in which they are to run. */
  readonly migrations?: readonly Knex.MigratorConfig[];
}

/** How long connections that were told to close may take to do so. */
const CLOSING_MS = 2_000;
const POLL_MS = 20;

/**
 * Makes a fresh database on the Postgres server of this test run. Tables come from a template that is migrated once per
 * run and set of migrations, so that a database costs some 30 ms.
 */
export async function createTestDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const { migrations = [] } = options;
  const server = testServer();
  const name = `test_${randomBytes(6).toString('hex')}`;
  const template = migrations.length === 0 ? 'template1' : await templateDatabase(server, migrations);
  await asAdministrator(server, (admin) => admin.raw('create database ?? template ??', [name, template]));
  const connection = { ...server, database: name };
  const pool = openPool(connection);
  return {
    knex: pool,
    connection,
    async takeDown() {
      await asAdministrator(server, async (admin) => {
        await admin.raw('alter database ?? allow_connections false', [name]);
        await admin.raw('select pg_terminate_backend(pid, ?) from pg_stat_activity where datname = ?', [
          CLOSING_MS,
          name,
        ]);
      });
      return () =>
        asAdministrator(server, async (admin) => {
          await admin.raw('alter database ?? allow_connections true', [name]);
        });
    },
    drop: async () => {
      await pool.destroy();
      await asAdministrator(server, async (admin) => {
        const left = await connectionsLeft(admin, name);
        await admin.raw('drop database if exists ?? with (force)', [name]);
        if (left.length > 0) {
          throw new Error(`${left.length} connections to the test database were left open; last: ${left.join(' | ')}`);
        }
      });
    },
  };
}

async function connectionsLeft(admin: Knex, database: string): Promise<string[]> {
  for (let waited = 0; ; waited += POLL_MS) {
    const { rows } = (await admin.raw(
      "select coalesce(nullif(query, ''), '(no query yet)') as query from pg_stat_activity where datname = ?",
      [database],
    )) as { rows: { query: string }[] };
    if (rows.length === 0 || waited >= CLOSING_MS) return rows.map((row) => row.query.slice(0, 200));
    await sleep(POLL_MS);
  }
}
