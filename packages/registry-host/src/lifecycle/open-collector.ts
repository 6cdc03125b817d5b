import { stat } from 'node:fs/promises';
import type { Gc } from '@breakwater/gc';
import type { Logger } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { Config } from '../config/read-config.js';
import { findRunningPostgres, startEmbeddedPostgres } from '../embedded-postgres/index.js';
import { openDatabase } from '../postgres/database.js';
import { assemble, closeParts, embeddedDataDirectory, readSecretKey, secretKeyFile } from '../start-registry.js';
import { checkMigrated } from './check-migrated.js';
import { NoRegistryError } from './no-registry-error.js';

/** A collector of a registry, in a process that serves nobody. */
export interface OpenCollector {
  readonly gc: Gc;
  close(): Promise<void>;
}

/**
 * Opens the collector of the registry that the settings name, whether it runs or not: its database, its store, and what is
 * known of its upstreams. Nothing of it is made where there is none.
 *
 * @throws NoRegistryError, EmbeddedPostgresError, SecretFileError
 */
export async function openCollector(config: Config, logger: Logger): Promise<OpenCollector> {
  await requireRegistry(config);
  const secretKey = await readSecretKey(config);
  const { database, close: closeDatabase } = await reachDatabase(config, logger);
  try {
    await checkMigrated(database);
    const parts = assemble({ config, logger }, database, secretKey);
    await parts.postgresClock?.start();
    await parts.proxyCache.load();
    return {
      gc: parts.gc,
      async close() {
        await closeParts(parts);
        await closeDatabase();
      },
    };
  } catch (error) {
    await closeDatabase();
    throw error;
  }
}

/** A wrong directory must not become a registry, nor its credentials be read with a key that was made just now. */
async function requireRegistry(config: Config): Promise<void> {
  if (config.databaseUrl === undefined && !(await exists(embeddedDataDirectory(config)))) {
    throw new NoRegistryError(
      `there is no registry in ${config.dataDir}: set BREAKWATER_DATA_DIR, or BREAKWATER_DATABASE_URL, as it is set for the registry`,
    );
  }
  if (config.secretKey === undefined && !(await exists(secretKeyFile(config)))) {
    throw new NoRegistryError(
      `there is no ${secretKeyFile(config)}: set BREAKWATER_SECRET_KEY, or BREAKWATER_DATA_DIR, as it is set for the registry`,
    );
  }
}

interface ReachedDatabase {
  readonly database: Knex;
  /** Closes it, and ends its server where that is ours. */
  close(): Promise<void>;
}

/** The configured database; else the embedded one, that of a registry which runs before one of our own. */
async function reachDatabase(config: Config, logger: Logger): Promise<ReachedDatabase> {
  if (config.databaseUrl !== undefined) {
    const reached = await connect({ url: config.databaseUrl, logger });
    if ('database' in reached) return reached;
    throw new NoRegistryError(`the database of BREAKWATER_DATABASE_URL cannot be reached (${reached.reason})`);
  }
  const dataDirectory = embeddedDataDirectory(config);
  const running = await findRunningPostgres(dataDirectory);
  const reached = running === undefined ? undefined : await connect({ connection: { ...running }, logger });
  if (reached !== undefined && 'database' in reached) return reached;
  const own = await startEmbeddedPostgres({ dataDirectory, logger });
  const database = openDatabase({ connection: { ...own.connection }, logger });
  return {
    database,
    async close() {
      await database.destroy();
      await own.stop();
    },
  };
}

async function connect(
  options: Parameters<typeof openDatabase>[0],
): Promise<ReachedDatabase | { readonly reason: string }> {
  const database = openDatabase(options);
  try {
    await database.raw('select 1');
    return { database, close: () => database.destroy() };
  } catch (error) {
    await database.destroy();
    const { code, message } = (error ?? {}) as { readonly code?: unknown; readonly message?: unknown };
    return { reason: String(code ?? message) };
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: { readonly code?: unknown }) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false;
      throw error;
    },
  );
}
