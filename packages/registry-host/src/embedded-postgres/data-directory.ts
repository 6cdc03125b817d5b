import { type FileHandle, mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Binaries } from './binaries.js';
import { EmbeddedPostgresError } from './failure.js';
import { isReadableAs, runAs } from './run-as.js';
import { requireNamedUser, type ServerUser } from './server-user.js';

/** The data directory as the server reaches it. */
export interface ServerDirectory {
  /** What to tell the server. */
  readonly path: string;
  /** A descriptor that the server must inherit as 3 for the path to hold. */
  readonly descriptor: number | undefined;
  close(): Promise<void>;
}

/**
 * Makes the data directory if there is none, else checks that this server can read what is in it. New data appears in
 * one step, so that a start which is killed half way leaves nothing that looks like data.
 *
 * @throws EmbeddedPostgresError EMBEDDED_POSTGRES_DATA, EMBEDDED_POSTGRES_USER, EMBEDDED_POSTGRES_FAILED
 */
export async function prepareDataDirectory(
  directory: string,
  binaries: Binaries,
  user: ServerUser,
  durable: boolean,
): Promise<void> {
  const found = await readVersion(directory);
  if (found === undefined) await create(directory, binaries, user, durable);
  else await checkVersion(directory, found, binaries);
  await giveTo(directory, user);
}

/** Removes what starts that were killed half way have left beside the data directory. */
export async function sweepUnfinished(directory: string): Promise<void> {
  const parent = dirname(directory);
  const prefix = unfinishedPrefix(directory);
  for (const name of await readdir(parent)) {
    if (!name.startsWith(prefix)) continue;
    const maker = Number.parseInt(name.slice(prefix.length), 10);
    if (!isRunning(maker)) await rm(join(parent, name), { recursive: true, force: true });
  }
}

/**
 * How the server's user reaches a directory. When folders above it are closed to that user (root's home, a data folder
 * of mode 0700), the server gets the open directory itself, which Linux lets it name.
 */
export async function openFor(user: ServerUser, directory: string): Promise<ServerDirectory> {
  if (user === undefined || (await isReadableAs(user, directory))) {
    return { path: directory, descriptor: undefined, close: async () => {} };
  }
  if (process.platform !== 'linux') {
    throw new EmbeddedPostgresError(
      'EMBEDDED_POSTGRES_USER',
      `${directory} lies below a folder that user id ${user.uid}, who runs Postgres, cannot enter: move it`,
    );
  }
  const handle: FileHandle = await open(directory);
  return { path: '/proc/self/fd/3', descriptor: handle.fd, close: () => handle.close() };
}

/** The major version that wrote the directory; `undefined` when there is no directory or an empty one. */
async function readVersion(directory: string): Promise<string | undefined> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (names.length === 0) return undefined;
  const version = await readFile(join(directory, 'PG_VERSION'), 'utf8').catch(() => undefined);
  if (version !== undefined) return version.trim();
  throw new EmbeddedPostgresError(
    'EMBEDDED_POSTGRES_DATA',
    `${directory} holds files but no Postgres data: choose another directory`,
  );
}

async function checkVersion(directory: string, found: string, binaries: Binaries): Promise<void> {
  const { output } = await runAs(undefined, binaries.postgres, ['--version']);
  const ours = /\(PostgreSQL\) (\d+)/.exec(output)?.[1];
  if (ours === undefined)
    throw new EmbeddedPostgresError('EMBEDDED_POSTGRES_FAILED', `Postgres does not run: ${output}`);
  if (found === ours) return;
  throw new EmbeddedPostgresError(
    'EMBEDDED_POSTGRES_DATA',
    `${directory} holds data of Postgres ${found.slice(0, 16)}, and the embedded one is version ${ours}: ` +
      'move the data away',
  );
}

async function create(directory: string, binaries: Binaries, user: ServerUser, durable: boolean): Promise<void> {
  requireNamedUser(user);
  const parent = dirname(directory);
  await mkdir(parent, { recursive: true });
  const unfinished = await mkdtemp(join(parent, `${unfinishedPrefix(directory)}${process.pid}-`));
  try {
    await giveTo(unfinished, user);
    await initialize(unfinished, binaries, user, durable);
    await rename(unfinished, directory);
    if (durable) await flushDirectory(parent);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    // Another start was faster: whether its server is running is found out when ours starts.
    const { code } = error as { code?: unknown };
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
}

async function initialize(directory: string, binaries: Binaries, user: ServerUser, durable: boolean): Promise<void> {
  const reached = await openFor(user, directory);
  try {
    const args = ['-D', reached.path, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-instructions'];
    const { status, output } = await runAs(
      user,
      binaries.initdb,
      durable ? args : [...args, '--no-sync'],
      reached.descriptor,
    );
    if (status !== 0)
      throw new EmbeddedPostgresError('EMBEDDED_POSTGRES_FAILED', `Postgres made no database: ${output}`);
  } finally {
    await reached.close();
  }
}

async function giveTo(directory: string, user: ServerUser): Promise<void> {
  if (user === undefined || (await stat(directory)).uid === user.uid) return;
  // Data that was copied here by root, say. -h: a link is given away, never what it points at.
  await runAs(undefined, 'chown', ['-hR', `${user.uid}:${user.gid}`, directory]);
}

async function flushDirectory(directory: string): Promise<void> {
  const handle = await open(directory);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function unfinishedPrefix(directory: string): string {
  return `${basename(directory)}.new-`;
}

/** Whether a process that is making data at the same time may still be at it. */
function isRunning(pid: number): boolean {
  try {
    return pid !== process.pid && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
