import { accessSync, constants } from 'node:fs';
import { open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Need } from '../needs.js';

/** A line in the hosts file. */
export interface HostsEntry extends AsyncDisposable {
  readonly name: string;
  /** Takes the line away: from then on the system does not know the name. Nothing the second time. */
  remove(): Promise<void>;
  /** Puts the line back that was taken away. Nothing where it is there. */
  restore(): Promise<void>;
}

const HOSTS_FILE = '/etc/hosts';
const MARK = '# breakwater test';
const LOCK_PATIENCE_MS = 10_000;
const LOCK_PAUSE_MS = 20;

/** The right to change what the system's resolver reads. */
export function hostsFileAccess(): Need {
  return { met: isWritable(HOSTS_FILE), name: 'root to edit the hosts file' };
}

/**
 * Makes the system resolve a name to an address, until the entry is removed or disposed of. Use a name of your own
 * below `.test`, which no name server knows (RFC 6761).
 *
 * @throws Error with the system's `code`, EACCES say, when the hosts file cannot be changed
 */
export async function hostsEntry(name: string, address: string, hostsFile: string = HOSTS_FILE): Promise<HostsEntry> {
  const line = `${address} ${name} ${MARK} ${process.pid}`;
  let present = false;
  const restore = async () => {
    if (present) return;
    present = true;
    await edit(hostsFile, (lines) => [...lines, line]);
  };
  await restore();
  const remove = async () => {
    if (!present) return;
    present = false;
    await edit(hostsFile, (lines) => {
      const at = lines.lastIndexOf(line);
      return at === -1 ? lines : lines.toSpliced(at, 1);
    });
  };
  return { name, remove, restore, [Symbol.asyncDispose]: remove };
}

/** Changes the lines, and takes away those that a test run which is dead has left. */
async function edit(hostsFile: string, change: (lines: readonly string[]) => readonly string[]): Promise<void> {
  await withLock(async () => {
    const before = await readFile(hostsFile, 'utf8');
    const lines = before.replace(/\n$/, '').split('\n').filter(isOfTheLiving);
    const after = Buffer.from(`${change(lines).join('\n')}\n`);
    // In place, because containers mount this very file, and never empty in between, because others are reading it.
    const file = await open(hostsFile, 'r+');
    try {
      await file.write(after, 0, after.byteLength, 0);
      await file.truncate(after.byteLength);
    } finally {
      await file.close();
    }
  });
}

function isOfTheLiving(line: string): boolean {
  const [, pid] = line.split(MARK);
  return pid === undefined || isRunning(Number(pid));
}

/** One change at a time, over all test processes of this machine. */
async function withLock(action: () => Promise<void>): Promise<void> {
  const lock = join(tmpdir(), 'breakwater-hosts-file.lock');
  const deadline = performance.now() + LOCK_PATIENCE_MS;
  while (!(await take(lock))) {
    const owner = Number(await readFile(lock, 'utf8').catch(() => '0'));
    if (owner > 0 && !isRunning(owner)) await rm(lock, { force: true });
    else if (performance.now() > deadline) throw new Error(`another process holds ${lock}`);
    else await new Promise((resolve) => setTimeout(resolve, LOCK_PAUSE_MS));
  }
  try {
    await action();
  } finally {
    await rm(lock, { force: true });
  }
}

async function take(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    return false;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, and is another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
