import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestAlgorithm, digestHex } from '@breakwater/registry-core';

/** How old a file must be before it counts as left behind, in milliseconds: no download takes that long. */
const LEFT_BEHIND_AFTER_MS = 2 * 60 * 60_000;
const SUFFIX = '.part';

/** The directory of growing files. */
export class Spool {
  constructor(private readonly directory: string) {}

  /** A path for one download of a digest. */
  async fileFor(digest: Digest): Promise<string> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    const name = `${digestAlgorithm(digest)}-${digestHex(digest)}.${randomBytes(6).toString('hex')}${SUFFIX}`;
    return join(this.directory, name);
  }

  /** Removes what a killed process left behind. @param wallNow ms since the epoch, as files are dated */
  async sweep(wallNow: number): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.directory)) {
      if (!name.endsWith(SUFFIX)) continue;
      const file = join(this.directory, name);
      const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
      if (wallNow - mtimeMs > LEFT_BEHIND_AFTER_MS) await rm(file, { force: true });
    }
  }
}
