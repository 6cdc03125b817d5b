import { type ChildProcess, spawn } from 'node:child_process';
import type { ServerUser } from './server-user.js';

/** How a program of the server ended. */
export interface Finished {
  readonly status: number | null;
  readonly output: string;
}

/**
 * The environment of the server's programs: nothing of ours, which holds secrets. C messages are what the start-up code
 * reads.
 */
const ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C', TZ: 'UTC' };

/** Options that every program of the server is spawned with. */
export function spawnOptions(user: ServerUser): {
  readonly cwd: string;
  readonly env: Record<string, string>;
  readonly uid?: number;
  readonly gid?: number;
} {
  return { cwd: '/', env: ENVIRONMENT, ...user };
}

/** Runs a program to its end as the server's user. `descriptor` becomes 3 in it. */
export function runAs(
  user: ServerUser,
  program: string,
  args: readonly string[],
  descriptor?: number,
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child: ChildProcess = spawn(program, args, {
      ...spawnOptions(user),
      stdio: ['ignore', 'pipe', 'pipe', descriptor ?? 'ignore'],
    });
    let output = '';
    const collect = (chunk: Buffer): void => {
      output = (output + chunk.toString('utf8')).slice(-8_192);
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, output }));
  });
}

/** Whether the server's user can reach and read a path, which may lie below folders that are closed to it. */
export async function isReadableAs(user: ServerUser, path: string): Promise<boolean> {
  const { status } = await runAs(user, '/bin/sh', ['-c', 'test -r "$1"', 'sh', path]);
  return status === 0;
}
