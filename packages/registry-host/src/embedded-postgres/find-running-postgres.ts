import { hasEnded, readLockFile } from './lock-file.js';
import type { EmbeddedPostgresConnection } from './start-embedded-postgres.js';

/**
 * How to connect to the embedded Postgres that another process runs on a data directory; `undefined` when there is none.
 * Its owner may end it at any time, and may have been killed a moment ago: whether it answers is for the caller to see.
 */
export async function findRunningPostgres(dataDirectory: string): Promise<EmbeddedPostgresConnection | undefined> {
  const lock = await readLockFile(dataDirectory);
  if (lock === undefined || lock.state !== 'ready' || lock.socketDirectory === '') return undefined;
  if (await hasEnded(lock.pid)) return undefined;
  return { host: lock.socketDirectory, port: lock.port, user: 'postgres', database: 'postgres' };
}
