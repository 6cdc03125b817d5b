import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@breakwater/registry-core';
import { prepareBinaries } from './binaries.js';
import { prepareDataDirectory, sweepUnfinished } from './data-directory.js';
import { EmbeddedPostgresError } from './failure.js';
import { isBusy, waitForRelease } from './lock-file.js';
import { binariesPackage, type Platform, thisPlatform } from './platform.js';
import { isPostmasterEnded, type Postmaster, type PostmasterOptions, startPostmaster } from './postmaster.js';
import { chooseServerUser, type ServerUser } from './server-user.js';

/** What `pg` and knex need to connect: a unix socket that only the user of this process, and root, can reach. */
export interface EmbeddedPostgresConnection {
  /** The directory of the socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

/** A Postgres server that belongs to this process. */
export interface EmbeddedPostgres {
  /** Holds until `stop`, also over restarts of a server that has died. */
  readonly connection: EmbeddedPostgresConnection;
  /** Ends sessions, shuts the server down and resolves when it is gone. Idempotent. */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** The server's data, made at the first start; its parent folder too. Only the database is kept in it. */
  readonly dataDirectory: string;
  readonly logger: Logger;
  /** Whether a commit survives a power failure. `false` is for tests. */
  readonly durable?: boolean;
  /** The machine, where another one than this is meant. */
  readonly platform?: Platform;
}

const PORT = 5432;
/** A unix socket's path has room for 107 bytes on Linux and 103 on macOS, `/.s.PGSQL.5432` included. */
const LONGEST_SOCKET_DIRECTORY = 88;
const LONGEST_PAUSE_MS = 5_000;
/** Starts of the first server, where another one was in the way. */
const MAX_ATTEMPTS = 5;
const STEADY_MS = 30_000;

/**
 * Starts the Postgres server that comes with npm, on a unix socket, and keeps it running until `stop`: a server that
 * dies is started again, at once and then after growing pauses of at most 5 s. It ends with this process, however that
 * ends. Messages of the server go to the logger.
 *
 * @throws EmbeddedPostgresError, one line that names BREAKWATER_DATABASE_URL
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { logger, durable = true } = options;
  const packageName = binariesPackage(options.platform ?? thisPlatform());
  const dataDirectory = resolve(options.dataDirectory);
  const user = await chooseServerUser(dataDirectory);
  const binaries = await prepareBinaries(packageName, user);
  await prepareDataDirectory(dataDirectory, binaries, user, durable);
  const socketDirectory = await makeSocketDirectory(user);
  const removeSocketDirectory = (): Promise<void> => rm(socketDirectory, { recursive: true, force: true });
  try {
    const server = { dataDirectory, socketDirectory, binaries, user, durable, logger };
    const first = await startFirst(server);
    await sweepUnfinished(dataDirectory);
    const stop = keepRunning(server, first);
    return {
      connection: { host: socketDirectory, port: PORT, user: 'postgres', database: 'postgres' },
      stop: async () => {
        await stop();
        await removeSocketDirectory();
      },
    };
  } catch (error) {
    await removeSocketDirectory();
    throw error;
  }
}

async function makeSocketDirectory(user: ServerUser): Promise<string> {
  const name = 'breakwater-pg-XXXXXX';
  const base = Buffer.byteLength(join(tmpdir(), name)) <= LONGEST_SOCKET_DIRECTORY ? tmpdir() : '/tmp';
  const directory = await mkdtemp(join(base, 'breakwater-pg-'));
  if (user !== undefined) await chown(directory, user.uid, user.gid);
  return directory;
}

/** Starts the server, after the one of an owner that was killed has shut down. */
async function startFirst(options: PostmasterOptions): Promise<Postmaster> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startPostmaster(options);
    } catch (error) {
      if (!isPostmasterEnded(error)) throw error;
      if (!isBusy(error.lines)) throw failed(error.lines);
      if (attempt === MAX_ATTEMPTS || !(await waitForRelease(options.dataDirectory)))
        throw inUse(options.dataDirectory);
      // Its sessions may live a moment longer, and hold its shared memory.
      await sleep(100 * attempt);
    }
  }
}

/** Starts the server again whenever it ends; the function it returns ends both. */
function keepRunning(options: PostmasterOptions, first: Postmaster): () => Promise<void> {
  const { logger } = options;
  const stopping = new AbortController();
  let current: Postmaster | undefined = first;
  let failures = 0;

  const watch = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const server = current;
      if (server !== undefined) {
        const steady = setTimeout(() => {
          failures = 0;
        }, STEADY_MS);
        await server.ended;
        clearTimeout(steady);
        current = undefined;
        if (stopping.signal.aborted) return;
        logger.error({ pid: server.pid }, 'the embedded Postgres ended by itself and is started again');
      }
      const pause = failures === 0 ? 0 : Math.min(100 * 2 ** failures, LONGEST_PAUSE_MS);
      failures += 1;
      await sleep(pause, undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
      try {
        current = await startPostmaster(options);
        logger.info({ pid: current.pid }, 'the embedded Postgres is running again');
      } catch (error) {
        logger.error({ attempt: failures, reason: (error as Error).message }, 'the embedded Postgres did not start');
      }
    }
  };
  const watching = watch();

  return async () => {
    stopping.abort();
    await current?.stop();
    await watching;
    // It may have been on its way up when the watch ended.
    await current?.stop();
  };
}

function inUse(dataDirectory: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'EMBEDDED_POSTGRES_IN_USE',
    `${dataDirectory} is in use by another process: stop it, or give this one a data directory of its own`,
  );
}

function failed(lines: readonly string[]): EmbeddedPostgresError {
  const reason = lines.find((line) => /^(?:FATAL|PANIC):/.test(line)) ?? lines.join(' ');
  return new EmbeddedPostgresError('EMBEDDED_POSTGRES_FAILED', `the embedded Postgres did not start (${reason})`);
}
