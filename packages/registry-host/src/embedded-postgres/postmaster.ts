import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@breakwater/registry-core';
import type { Binaries } from './binaries.js';
import { openFor, type ServerDirectory } from './data-directory.js';
import { readLockFile } from './lock-file.js';
import { spawnOptions } from './run-as.js';
import type { ServerUser } from './server-user.js';

/** What a server is started with. */
export interface PostmasterOptions {
  readonly dataDirectory: string;
  readonly socketDirectory: string;
  readonly binaries: Binaries;
  readonly user: ServerUser;
  readonly durable: boolean;
  readonly logger: Logger;
}

/** One running server process. */
export interface Postmaster {
  readonly pid: number;
  /** Resolves when the process has ended, however that came. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** The server ended before it was ready; `lines` is what it said last. */
export class PostmasterEndedError extends Error {
  readonly code = 'POSTMASTER_ENDED';

  constructor(readonly lines: readonly string[]) {
    super(lines.join(' '));
    this.name = 'PostmasterEndedError';
  }
}

/** True for a PostmasterEndedError. */
export function isPostmasterEnded(error: unknown): error is PostmasterEndedError {
  return (error as { code?: unknown } | null)?.code === 'POSTMASTER_ENDED';
}

/**
 * Becomes the server, after it has left a watcher behind which reads a pipe from us. When the pipe breaks, because we
 * were killed, the watcher shuts the server down and clears up; the word "gone" tells it that the server has ended
 * already, for then its process id may be another's. The watcher is nobody's child, so the server never waits for it.
 * It knows the end of the server by the socket too, for in a container the process may stay a zombie.
 */
const LAUNCH = `
socket=$1; shift
( (
  exec >/dev/null 2>&1
  read -r word <&4 && exit 0
  kill -INT $$
  n=0
  while [ -S "$socket/.s.PGSQL.5432" ] && kill -0 $$ && [ $n -lt 300 ]; do n=$((n + 1)); sleep 0.1; done
  rm -rf -- "$socket"
) & )
exec 4<&-
exec "$@"
`;

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;
const POLL_MS = 15;

/**
 * Starts the server and waits until it takes connections; recovery after a crash counts towards that.
 *
 * @throws PostmasterEndedError when it ends before
 */
export async function startPostmaster(options: PostmasterOptions): Promise<Postmaster> {
  const directory = await openFor(options.user, options.dataDirectory);
  const child = launch(options, directory);
  const lines = followOutput(child, options.logger);
  let running = true;
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      running = false;
      resolve();
    };
    child.once('error', end);
    child.once('exit', end);
  });
  // Not stdin, which node has closed by the time that it tells of the end.
  const lifeline = child.stdio[4] as Writable | null;
  lifeline?.on('error', () => {});
  child.once('exit', () => lifeline?.end('gone\n'));
  await directory.close();
  const stop = async (): Promise<void> => {
    if (!running) return;
    // SIGINT: end sessions, write a checkpoint. Data that nobody will read again needs no checkpoint: SIGQUIT.
    child.kill(options.durable ? 'SIGINT' : 'SIGQUIT');
    const patience = setTimeout(() => child.kill('SIGQUIT'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(patience);
  };
  const { pid } = child;
  for (let waited = 0; running && pid !== undefined; waited += POLL_MS) {
    if (await isReady(options.dataDirectory, pid)) return { pid, ended, stop };
    if (waited > START_TIMEOUT_MS) await stop();
    await Promise.race([ended, sleep(POLL_MS)]);
  }
  await ended;
  // What it said last may still be on its way through the pipe.
  await sleep(POLL_MS);
  throw new PostmasterEndedError(lines);
}

async function isReady(dataDirectory: string, pid: number): Promise<boolean> {
  const lock = await readLockFile(dataDirectory);
  return lock?.pid === pid && lock.state === 'ready';
}

function launch(options: PostmasterOptions, directory: ServerDirectory): ChildProcess {
  const settings = {
    listen_addresses: '',
    unix_socket_directories: options.socketDirectory,
    max_connections: '200',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_line_prefix: '',
    log_checkpoints: 'off',
    // Errors of statements reach whoever sent them; in a log they would carry the statement, secrets and all.
    log_min_messages: 'log',
    log_min_error_statement: 'panic',
    ...(options.durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const command = [options.socketDirectory, options.binaries.postgres, '-D', directory.path, ...args];
  return spawn('/bin/sh', ['-c', LAUNCH, 'sh', ...command], {
    ...spawnOptions(options.user),
    stdio: ['ignore', 'ignore', 'pipe', directory.descriptor ?? 'ignore', 'pipe'],
    // A Ctrl-C at the terminal is for us: the server has to outlive the pulls that are being drained.
    detached: true,
  });
}

/** Hands the server's messages to the log; the last few are kept. */
function followOutput(child: ChildProcess, logger: Logger): string[] {
  const lines: string[] = [];
  if (child.stderr === null) return lines;
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line);
    if (lines.length > 10) lines.shift();
    if (/^(?:FATAL|PANIC):/.test(line)) logger.warn({ component: 'embedded-postgres' }, line);
    else logger.debug({ component: 'embedded-postgres' }, line);
  });
  return lines;
}
