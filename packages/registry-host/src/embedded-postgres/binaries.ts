import { cp, lstat, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { EmbeddedPostgresError } from './failure.js';
import { isReadableAs, runAs } from './run-as.js';
import type { ServerUser } from './server-user.js';

/** Programs of one Postgres installation, by absolute path. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * Finds the programs in an installed npm package and makes them usable: complete, and readable by the server's user.
 *
 * @param packageName as `binariesPackage` gives it
 * @throws EmbeddedPostgresError EMBEDDED_POSTGRES_UNSUPPORTED when the package is not installed
 */
export async function prepareBinaries(packageName: string, user: ServerUser): Promise<Binaries> {
  const root = packageRoot(packageName);
  const native = join(root, 'native');
  if ((await linkLibraries(root)) && (await isReadableAs(user, join(native, 'bin', 'postgres'))))
    return programs(native);
  return programs(join(await readableCopy(root), 'native'));
}

function programs(native: string): Binaries {
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

function packageRoot(packageName: string): string {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(packageName)));
  } catch {
    throw new EmbeddedPostgresError(
      'EMBEDDED_POSTGRES_UNSUPPORTED',
      `the package ${packageName} is not installed: install with optional dependencies`,
    );
  }
}

/**
 * npm packages cannot hold symbolic links, so the package makes those of its libraries in an install script, which
 * `--ignore-scripts` leaves out. Makes the ones that are missing; false when that is not allowed here.
 */
async function linkLibraries(root: string): Promise<boolean> {
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as readonly { source: string; target: string }[]) {
    const link = join(root, target);
    try {
      await symlink(relative(dirname(link), join(root, source)), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false;
    }
  }
  return true;
}

/**
 * A copy below the temporary directory, for a package that the server's user cannot read, below /root for one. It is
 * kept for the next start, under a name of its version; one that somebody else has put there is not trusted.
 */
async function readableCopy(root: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  const self = process.getuid?.();
  const kept = join(tmpdir(), `breakwater-postgres-${version}-${self}`);
  if (await isOurs(kept, self)) return kept;
  const made = await mkdtemp(`${kept}-`);
  await cp(join(root, 'native'), join(made, 'native'), { recursive: true, verbatimSymlinks: true });
  await linkLibraries(made);
  await runAs(undefined, 'chmod', ['-R', 'a+rX', made]);
  try {
    await rename(made, kept);
    return kept;
  } catch {
    // Somebody else was faster, or the name is taken by something that is not ours.
    if (!(await isOurs(kept, self))) return made;
    await rm(made, { recursive: true });
    return kept;
  }
}

async function isOurs(directory: string, self: number | undefined): Promise<boolean> {
  const found = await lstat(directory).catch(() => undefined);
  return found?.isDirectory() === true && found.uid === self && (found.mode & 0o022) === 0;
}
