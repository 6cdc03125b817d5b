import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, copyFile, cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { EmbeddedPostgresConnection } from '../../src/embedded-postgres/index.js';
import { binariesPackage, thisPlatform } from '../../src/embedded-postgres/platform.js';
import { isReadableAs } from '../../src/embedded-postgres/run-as.js';

/** `nobody` on Debian, and the owner of nothing. */
export const NOBODY = 65_534;

/** A folder that every user can enter, for everything that one test makes; `TMPDIR` of the processes in it. */
export async function makeScratch(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'breakwater-staged-'));
  await chmod(path, 0o755);
  await mkdir(join(path, 'tmp'));
  await chmod(join(path, 'tmp'), 0o1777);
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** What a staged process has said about its start. */
export interface Started {
  readonly connection?: EmbeddedPostgresConnection;
  readonly code?: string;
  readonly message?: string;
}

export interface StagedProcess {
  readonly started: Started;
  readonly child: ChildProcess;
  /** The server's messages, once the process has ended. */
  readonly log: string[];
  /** Stops the server and waits for the process. */
  end(): Promise<void>;
  /** kill -9, and waits for the process. */
  kill(): Promise<void>;
}

const started = new Set<ChildProcess>();

/** Kills the processes that a failed test has left behind; their servers go down with them. */
export function killStaged(): void {
  for (const child of started) child.kill('SIGKILL');
}

const SERVER = `
import { startEmbeddedPostgres } from './embedded-postgres/index.js';
const log = (fields, message) => console.error(message);
const logger = { debug: log, info: log, warn: log, error: log };
try {
  const server = await startEmbeddedPostgres({ dataDirectory: process.argv[2], logger, durable: false });
  console.log(JSON.stringify({ connection: server.connection }));
  process.stdin.on('end', () => server.stop()).resume();
} catch (error) {
  console.log(JSON.stringify({ code: error.code, message: error.message }));
}
`;

/**
 * Lays out the compiled launcher and the Postgres package in a folder of its own, as an installation has them, so that
 * other users can run it and a test can damage it. Returns the file to start.
 */
export async function stage(folder: string): Promise<string> {
  const packageName = binariesPackage(thisPlatform());
  const binaries = dirname(dirname(createRequire(import.meta.url).resolve(packageName)));
  const compiled = fileURLToPath(new URL('../../dist/embedded-postgres', import.meta.url));
  await cp(compiled, join(folder, 'embedded-postgres'), { recursive: true });
  await cp(binaries, join(folder, 'node_modules', packageName), { recursive: true, verbatimSymlinks: true });
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await writeFile(join(folder, 'server.js'), SERVER);
  return join(folder, 'server.js');
}

/** Starts a staged launcher in a process of its own, as another user if one is given, and waits for what it says. */
export async function startStaged(
  scratch: string,
  file: string,
  dataDirectory: string,
  options: { readonly uid?: number; readonly temporary?: string } = {},
): Promise<StagedProcess> {
  const user = options.uid === undefined ? {} : { uid: options.uid, gid: options.uid };
  const child = spawn(await nodeFor(scratch, options.uid), [file, dataDirectory], {
    ...user,
    cwd: '/',
    env: { PATH: process.env['PATH'], TMPDIR: options.temporary ?? join(scratch, 'tmp') },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  started.add(child);
  void ended.then(() => started.delete(child));
  const log: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => log.push(line));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    void ended.then(() => reject(new Error(`the process said nothing: ${log.join('\n')}`)));
  });
  return {
    started: JSON.parse(line) as Started,
    child,
    log,
    end: async () => {
      child.stdin.end();
      await ended;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** The socket folders that are left below the temporary folder. */
export async function leftovers(scratch: string): Promise<string[]> {
  return (await readdir(join(scratch, 'tmp'))).filter((name) => name.startsWith('breakwater-pg-'));
}

/** Node itself may lie below a folder that other users cannot enter. */
async function nodeFor(scratch: string, uid: number | undefined): Promise<string> {
  if (uid === undefined || (await isReadableAs({ uid, gid: uid }, process.execPath))) return process.execPath;
  const copy = join(scratch, 'node');
  await copyFile(process.execPath, copy);
  await chmod(copy, 0o755);
  return copy;
}
