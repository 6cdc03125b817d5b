import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a server has written into its data directory. */
export interface LockFile {
  readonly pid: number;
  /** In the server's words: starting, ready, stopping. */
  readonly state: string;
  /** The directory of its unix socket; empty while it has none. */
  readonly socketDirectory: string;
  readonly port: number;
}

/** How long a server may still be ready after its owner was killed: the time until its watcher has noticed. */
const READY_GRACE_MS = 1_500;
/** How long it may then take to shut down. */
const BUSY_GRACE_MS = 30_000;
const POLL_MS = 50;

/** The lock file of a data directory; `undefined` when there is none. */
export async function readLockFile(dataDirectory: string): Promise<LockFile | undefined> {
  const text = await readFile(lockFile(dataDirectory), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const lines = text.split('\n');
  return {
    pid: Number(lines[0]),
    state: (lines[7] ?? '').trim(),
    socketDirectory: lines[4] ?? '',
    port: Number(lines[3]),
  };
}

/** Whether a server ended because another one holds its data directory, or the remains of one do. */
export function isBusy(lines: readonly string[]): boolean {
  return lines.some((line) => /lock file ".*" already exists|pre-existing shared memory block/.test(line));
}

/**
 * Waits until no server holds the data directory: one whose owner was killed is on its way down. False when it stays.
 * A lock file whose process has ended is removed where Postgres itself would take it for a live one: the process is a
 * zombie that nobody reaps, as in containers, or its id has come round to another program.
 */
export async function waitForRelease(dataDirectory: string): Promise<boolean> {
  for (let waited = 0; ; waited += POLL_MS) {
    const lock = await readLockFile(dataDirectory);
    if (lock === undefined) return true;
    if (await hasEnded(lock.pid)) {
      await rm(lockFile(dataDirectory), { force: true });
      return true;
    }
    if (waited >= (lock.state === 'ready' ? READY_GRACE_MS : BUSY_GRACE_MS)) return false;
    await sleep(POLL_MS);
  }
}

/** Whether a server has ended, although its lock file is there. Where that cannot be known: false. */
export async function hasEnded(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined);
  // Without /proc, as on macOS, it is left to Postgres to say that the process is gone.
  if (status === undefined) return process.platform === 'linux';
  // `sh`: a launcher that has not become the server yet.
  return !/^Name:\s+(?:postgres|sh)$/m.test(status) || /^State:\s+Z/m.test(status);
}

function lockFile(dataDirectory: string): string {
  return join(dataDirectory, 'postmaster.pid');
}
