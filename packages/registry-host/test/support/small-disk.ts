import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Need } from '@breakwater/test-kit';

/** Of util-linux, on every machine. */
const MOUNT = 'mount';
const UNMOUNT = 'umount';

/** The right to mount file systems, which containers lack as a rule. */
export function mountRight(): Need {
  const directory = mkdtempSync(join(tmpdir(), 'mount-'));
  try {
    mountMemory(directory, 'size=1m');
    unmount(directory);
    return { met: true, name: 'the right to mount' };
  } catch {
    return { met: false, name: 'the right to mount (root, outside of a container)' };
  } finally {
    rmdirSync(directory);
  }
}

/** Mounts a file system in memory over a directory, or changes the one that is there. @param options as of mount -o */
export function mountMemory(directory: string, options: string): void {
  call(MOUNT, '-t', 'tmpfs', '-o', options, 'tmpfs', directory);
}

export function unmount(directory: string): void {
  call(UNMOUNT, '-l', directory);
}

function call(program: string, ...parameters: readonly string[]): void {
  const { status, error } = spawnSync(program, parameters, { stdio: 'ignore' });
  if (status !== 0) throw error ?? new Error(`${program} failed with ${status}`);
}
