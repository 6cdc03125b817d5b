import { setTimeout as sleep } from 'node:timers/promises';
import { gcMigrations } from '@breakwater/gc';
import { orgSettingsMigrations } from '@breakwater/org-settings';
import { proxyCacheMigrations } from '@breakwater/proxy-cache';
import type { Logger } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import { registryHostMigrations } from '../postgres/migrations/index.js';

/** The migrations of everything that is wired into the registry, each under a table of its own. */
export function allMigrations(): readonly Knex.MigratorConfig[] {
  return [registryHostMigrations(), orgSettingsMigrations(), proxyCacheMigrations(), gcMigrations()];
}

const RETRY_AFTER_MS = 500;
const PATIENCE_MS = 30_000;

/** Brings the tables up to date. Processes that start together take turns. */
export async function migrate(database: Knex, logger: Logger): Promise<void> {
  for (const migrations of allMigrations()) {
    const began = performance.now();
    for (;;) {
      try {
        const [, applied] = (await database.migrate.latest(migrations)) as [number, readonly string[]];
        if (applied.length > 0) logger.info({ table: migrations.tableName, applied }, 'migrated the database');
        break;
      } catch (error) {
        if (!isTakenByAnother(error) || performance.now() - began > PATIENCE_MS) throw error;
        await sleep(RETRY_AFTER_MS);
      }
    }
  }
}

/** knex's own lock, and what two processes run into that both create its tables: unique violation, duplicate table. */
function isTakenByAnother(error: unknown): boolean {
  const { name, code } = (error ?? {}) as { readonly name?: unknown; readonly code?: unknown };
  return name === 'MigrationLocked' || code === '23505' || code === '42P07';
}
