import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Need } from '@breakwater/test-kit';

/** The right to mount file systems, which containers lack as a rule. */
export function mountRight(): Need {
  const directory = mkdtempSync(join(tmpdir(), 'mount-'));
  try {
    mountMemory(directory, 'size=1m');
    execFileSync('umount', [directory], { stdio: 'ignore' });
    return { met: true, name: 'the right to mount' };
  } catch {
    return { met: false, name: 'the right to mount (root, outside of a container)' };
  } finally {
    rmdirSync(directory);
  }
}

/** Mounts a file system in memory over a directory, or changes the one that is there. @param options as of mount -o */
export function mountMemory(directory: string, options: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', directory], { stdio: 'ignore' });
}

export function unmount(directory: string): void {
  execFileSync('umount', ['-l', directory], { stdio: 'ignore' });
}
