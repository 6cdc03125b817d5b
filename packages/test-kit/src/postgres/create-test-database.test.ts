import { afterAll, describe, expect, test } from '@jest/globals';
import type { Knex } from 'knex';
import { createTestDatabase } from './create-test-database.js';
import { openPool } from './pool.js';

let runs = 0;

function gateMigrations(): Knex.MigratorConfig {
  return {
    tableName: 'gate_migrations',
    migrationSource: {
      getMigrations: async () => ['001-gate'],
      getMigrationName: (name) => name,
      getMigration: async () => ({
        up: async (knex) => {
          runs += 1;
          await knex.schema.createTable('gate', (table) => table.increments());
        },
        down: async () => {},
      }),
    } satisfies Knex.MigrationSource<string>,
  };
}

describe('a test database', () => {
  const opened: { destroy(): Promise<void> }[] = [];
  afterAll(async () => {
    for (const each of opened) await each.destroy();
  });

  test('is migrated once for all that have the same migrations, and each has its own rows', async () => {
    const first = await createTestDatabase({ migrations: [gateMigrations()] });
    const second = await createTestDatabase({ migrations: [gateMigrations()] });
    await first.knex('gate').insert({});
    expect(await second.knex('gate').select()).toEqual([]);
    expect(runs).toBe(1);
    await first.drop();
    await second.drop();
  });

  test('takes more pools, and complains about one that is left open when it is dropped', async () => {
    const database = await createTestDatabase();
    const other = openPool(database.connection);
    opened.push(other);
    await other.raw('select 42');
    await expect(database.drop()).rejects.toThrow(/1 connections .* were left open; last: select 42/);
  });

  test('that is taken down ends sessions and refuses new ones, until it is let up again', async () => {
    const { knex, takeDown, drop } = await createTestDatabase();
    const { rows } = await knex.raw('select pg_backend_pid() as pid');
    const bringUp = await takeDown();
    await expect(knex.raw('select 1')).rejects.toMatchObject({ code: '55000' });
    await bringUp();
    const after = await knex.raw('select pg_backend_pid() as pid');
    expect(after.rows[0].pid).not.toBe(rows[0].pid);
    await drop();
  });

  test('is gone after the drop', async () => {
    const database = await createTestDatabase();
    await database.drop();
    const pool = openPool(database.connection);
    opened.push(pool);
    await expect(pool.raw('select 1')).rejects.toMatchObject({ code: '3D000' });
  });
});
