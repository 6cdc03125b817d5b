import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { join } from 'node:path';
import {
  type Clock,
  type Digest,
  digestAlgorithm,
  digestHex,
  type Repository,
  repositoryKey,
} from '@breakwater/registry-core';
import { nodeSpoolDisk, type SpoolDisk } from './spool-disk.js';
import { GROWING_MODE, SpoolFile } from './spool-file.js';
import { isStorageFailure } from './storage-failure.js';

/** A file that its holder writes to: `<download>.<holder>.part`. */
const PART = '.part';
/** A file that nobody writes to any more: `<download>.rest`. */
const REST = '.rest';
/** A copy that its holder is making of somebody else's file: `<download>.<holder>.copy`. */
const COPY = '.copy';
/** The identity of the directory: processes that read the same one share it. */
const IDENTITY = '.spool-id';

/** Told of files before they are removed; when it rejects they stay. */
export type OnDrop = (files: readonly { readonly name: string; readonly bytes: number }[]) => Promise<void>;

/** What was found in a spool, or removed from it. */
export interface SpoolUsage {
  readonly files: number;
  readonly bytes: number;
}

/**
 * The directory of growing files, which processes may share. A file belongs to one digest of one repository, for the
 * rest of a blob must come from the upstream that the beginning came from (S26), and to one holder of the lease, who is
 * the only one to write to it. Who comes after a holder that ended in order takes its file over; after one that vanished,
 * and may yet wake up, a copy of it.
 */
export class Spool {
  #identity: Promise<string> | undefined;

  constructor(
    private readonly directory: string,
    private readonly disk: SpoolDisk = nodeSpoolDisk,
  ) {}

  /** What tells this directory from those of other processes, wherever it is mounted. */
  identity(): Promise<string> {
    this.#identity ??= this.#readIdentity();
    this.#identity.catch(() => {
      this.#identity = undefined;
    });
    return this.#identity;
  }

  /** Bytes that are free on its disk; without end when nobody can say. */
  async freeBytes(): Promise<number> {
    try {
      await this.#make();
      const { bavail, bsize } = await this.disk.statfs(this.directory);
      return bavail * bsize;
    } catch {
      // Whatever is wrong with the disk, writing to it tells.
      return Number.POSITIVE_INFINITY;
    }
  }

  /** A holder's file to write to, with what those before it have left. */
  async begin(repository: Repository, digest: Digest, holder: string): Promise<SpoolFile> {
    await this.#make();
    const name = downloadName(repository, digest);
    const path = this.#part(name, holder);
    const [longest, ...others] = await this.#leftOf(name);
    for (const other of others) await this.disk.rm(other, { force: true });
    if (longest === undefined) return SpoolFile.toWrite(this.disk, path);
    try {
      await takeOver(this.disk, longest, path);
      return await SpoolFile.toWrite(this.disk, path, true);
    } catch (error) {
      if (isStorageFailure(error)) throw error;
      // What is left may be removed, or unreadable, or too much to be copied: it is only a saving.
      for (const each of [longest, copyAt(path), path]) await this.disk.rm(each, { force: true });
      if ((error as { code?: unknown }).code === undefined) throw error;
      return SpoolFile.toWrite(this.disk, path);
    }
  }

  /** A holder's file to read from; `undefined` when it is not there, or not yet. */
  follow(repository: Repository, digest: Digest, holder: string): Promise<SpoolFile | undefined> {
    return SpoolFile.toRead(this.disk, this.#part(downloadName(repository, digest), holder));
  }

  /** Leaves a file to whoever fetches the blob next. Its holder writes to it no more. */
  async leave(repository: Repository, digest: Digest, { path }: SpoolFile): Promise<void> {
    await this.disk.rename(path, join(this.directory, `${downloadName(repository, digest)}${REST}`));
  }

  async discard({ path }: SpoolFile): Promise<void> {
    await this.disk.rm(path, { force: true });
  }

  /**
   * Removes, or with `dryRun` only counts, what was written to last before `before`, by a clock, unless one of these
   * holders has it. Files are dated by this machine, so what counts is how long ago that was by either clock.
   */
  async dropStale(
    before: number,
    clock: Clock,
    holders: ReadonlySet<string>,
    dryRun: boolean,
    onDrop: OnDrop = async () => undefined,
  ): Promise<SpoolUsage> {
    const writtenBefore = Date.now() - (clock.now() - before);
    let files = 0;
    let bytes = 0;
    for (const name of await this.#names()) {
      if (!isSpooled(name) || holders.has(holderOf(name))) continue;
      const path = join(this.directory, name);
      const found = await this.disk.stat(path).catch(() => undefined);
      if (found === undefined || found.mtimeMs >= writtenBefore) continue;
      files += 1;
      bytes += found.size;
      if (dryRun) continue;
      await onDrop([{ name, bytes: found.size }]);
      await this.disk.rm(path, { force: true });
    }
    return { files, bytes };
  }

  /** Files of a download, the longest one first. */
  async #leftOf(name: string): Promise<readonly string[]> {
    const paths = (await this.#names())
      .filter((each) => each.startsWith(`${name}.`))
      .map((each) => join(this.directory, each));
    const sizes = await Promise.all(
      paths.map(async (path) => (await this.disk.stat(path).catch(() => undefined))?.size ?? 0),
    );
    return paths
      .map((path, index) => ({ path, size: sizes[index] ?? 0 }))
      .sort((a, b) => b.size - a.size)
      .map(({ path }) => path);
  }

  async #names(): Promise<readonly string[]> {
    await this.#make();
    return this.disk.readdir(this.directory);
  }

  async #make(): Promise<void> {
    await this.disk.mkdir(this.directory, { recursive: true, mode: 0o700 });
  }

  async #readIdentity(): Promise<string> {
    await this.#make();
    const path = join(this.directory, IDENTITY);
    const own = `${path}.${randomUUID()}`;
    await this.disk.writeFile(own, randomUUID(), { mode: 0o600 });
    try {
      // All or nothing, unlike writing: another process sees a whole identity or none.
      await this.disk.link(own, path);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'EEXIST') throw error;
    } finally {
      await this.disk.rm(own, { force: true });
    }
    return this.disk.readFile(path, 'utf8');
  }

  #part(name: string, holder: string): string {
    return join(this.directory, `${name}.${holder}${PART}`);
  }
}

/** The beginning of the names of a download's files. */
function downloadName(repository: Repository, digest: Digest): string {
  const owner = createHash('sha256').update(repositoryKey(repository)).digest('hex').slice(0, 32);
  return `${digestAlgorithm(digest)}-${digestHex(digest)}.${owner}`;
}

function isSpooled(name: string): boolean {
  return [PART, REST, COPY].some((ending) => name.endsWith(ending));
}

function holderOf(name: string): string {
  return name.split('.').at(-2) ?? '';
}

/** Where a copy is made of what becomes the file of a holder. */
function copyAt(path: string): string {
  return `${path.slice(0, -PART.length)}${COPY}`;
}

/** The file of one who is gone becomes the holder's, who may write to it and whose readers see at once that it grows. */
async function takeOver(disk: SpoolDisk, left: string, path: string): Promise<void> {
  const isRest = left.endsWith(REST);
  const own = isRest ? left : copyAt(path);
  // A clone where the file system can.
  if (!isRest) await disk.copyFile(left, own, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  // A verified one may not be written to, by any user but root, and its readers would take it for whole.
  await disk.chmod(own, GROWING_MODE);
  await disk.rename(own, path);
  if (!isRest) await disk.rm(left, { force: true });
}
