import { join } from 'node:path';
import {
  CallGate,
  type Digest,
  digestAlgorithm,
  digestHex,
  type OpenBlob,
  parseDigest,
} from '@breakwater/registry-core';
import { type FileReads, type FileSystem, flush, nodeFileReads, nodeFileSystem } from './file-system.js';
import { openFile } from './open-file.js';
import type { BlobGeneration, Damage } from './ports.js';
import { callStorage, errorCode, storeStalled } from './storage-error.js';

type BlobKey = Pick<BlobGeneration, 'digest' | 'generation'>;

/** A file that was found in the store. */
export interface FoundFile extends BlobKey {
  /** When it came to its place, ms since the epoch. */
  readonly since: number;
}

/** A file that was damaged and is kept for whoever wants to know why. */
export interface QuarantinedFile extends BlobKey {
  /** Bytes. */
  readonly size: number;
  /** When it was put there, ms since the epoch. */
  readonly since: number;
}

const GENERATION = /^[a-f0-9]{32}$/;
const QUARANTINED = /^(sha256|sha512)-([a-f0-9]+)\.([a-f0-9]{32})$/;
const ALGORITHMS = ['sha256', 'sha512'] as const;
/** How many reads run at a time: half of the threads that `npm start` gives the pool. */
const READS_AT_ONCE = 8;
/** How long one call is waited for, ms (F125). A disk that sleeps wakes up within this. */
export const LONGEST_CALL_MS = 15_000;
/** How often a file is moved again because its directory was removed, empty, in between. */
const MOVE_ATTEMPTS = 5;

/**
 * The files of the blob store: `<root>/blobs/<algorithm>/<2 hex>/<hex>/<generation>`, the path made of the decoded hex
 * only; damaged ones in `<root>/quarantine/<algorithm>-<hex>.<generation>`. Knows no database. Every method throws
 * RegistryError UNAVAILABLE (detail.reason "storage", or "overload" when there is no descriptor).
 */
export class BlobFiles {
  readonly #root: string;
  readonly #fs: FileSystem;
  readonly #reads: FileReads;
  readonly #gate: CallGate;

  constructor(options: {
    readonly root: string;
    readonly fileSystem?: FileSystem;
    readonly fileReads?: FileReads;
    /** How long one read is waited for, ms. */
    readonly longestCallMs?: number;
  }) {
    this.#root = options.root;
    this.#fs = options.fileSystem ?? nodeFileSystem;
    this.#reads = options.fileReads ?? nodeFileReads;
    this.#gate = new CallGate(READS_AT_ONCE, options.longestCallMs ?? LONGEST_CALL_MS, storeStalled);
  }

  /** The file, if it is there and of the size that it must have; else what is wrong with it. */
  open(blob: BlobGeneration, onUnreadable?: () => Promise<void>): Promise<OpenBlob | Damage> {
    return openFile(this.#path(blob), blob.size, {
      reads: this.#reads,
      gate: this.#gate,
      ...(onUnreadable === undefined ? {} : { onUnreadable }),
    });
  }

  /** Size of a regular file in bytes; `undefined` when there is none at the path. */
  async size(file: string): Promise<number | undefined> {
    return callStorage('looking at a file', async () => {
      try {
        const stat = await this.#fs.lstat(file);
        return stat.isFile() ? stat.size : undefined;
      } catch (error) {
        if (['ENOENT', 'ENOTDIR'].includes(errorCode(error))) return undefined;
        throw error;
      }
    });
  }

  /** What can be seen to be wrong with a blob's file without reading it; `undefined` for nothing. */
  async inspect(blob: BlobGeneration): Promise<Damage | undefined> {
    const size = await this.size(this.#path(blob));
    if (size === undefined) return 'missing';
    return size === blob.size ? undefined : 'size';
  }

  /** w4, w5: moves a flushed file to its place and flushes the directories above it. */
  async take(file: string, blob: BlobKey): Promise<void> {
    await callStorage('storing a blob', async () => {
      try {
        await this.#moveIn(file, blob);
      } catch (error) {
        if (errorCode(error) !== 'EXDEV') throw error;
        await this.#copyIn(file, blob);
      }
    });
  }

  /** Moves a file that was taken back to where it came from, as far as that works. */
  async giveBack(blob: BlobKey, file: string): Promise<void> {
    try {
      await this.#fs.rename(this.#path(blob), file).catch((error: unknown) => {
        if (errorCode(error) !== 'ENOENT') throw error;
      });
      await this.#removeIfEmpty(this.#directory(blob.digest));
    } catch {
      // On another device, or the store is gone: the file stays, without a row, and is swept as debris.
    }
  }

  /** g2, g3: removes the file, if it is there, and flushes its directory. */
  async remove(blob: BlobKey): Promise<void> {
    await callStorage('removing a blob', async () => {
      await unlessMissing(this.#fs.unlink(this.#path(blob)));
      await unlessMissing(flush(this.#fs, this.#directory(blob.digest)));
      await this.#removeIfEmpty(this.#directory(blob.digest));
    });
  }

  /** g2, g3 for a damaged file: moves it out of the way, if it is there, and flushes both directories. */
  async quarantine(blob: BlobKey): Promise<void> {
    await callStorage('putting a damaged blob into quarantine', async () => {
      const directory = join(this.#root, 'quarantine');
      await this.#fs.mkdir(directory, { recursive: true });
      await unlessMissing(this.#fs.rename(this.#path(blob), join(directory, quarantineName(blob))));
      await flush(this.#fs, directory);
      await unlessMissing(flush(this.#fs, this.#directory(blob.digest)));
      await this.#removeIfEmpty(this.#directory(blob.digest));
    });
  }

  /** What is in quarantine, oldest first. */
  async listQuarantine(): Promise<readonly QuarantinedFile[]> {
    const directory = join(this.#root, 'quarantine');
    return callStorage('listing the quarantine', async () => {
      const found: QuarantinedFile[] = [];
      for (const name of await this.#list(directory)) {
        const key = parseQuarantineName(name);
        const stat = key && (await this.#regular(join(directory, name)));
        if (key !== undefined && stat !== undefined) found.push({ ...key, size: stat.size, since: stat.ctimeMs });
      }
      return found.sort((one, other) => one.since - other.since);
    });
  }

  /** Removes a file from quarantine for good. */
  async dropQuarantined(blob: BlobKey): Promise<void> {
    await this.discard(join(this.#root, 'quarantine', quarantineName(blob)));
  }

  /** Removes a file that is not in its place in the store. */
  async discard(file: string): Promise<void> {
    await callStorage('removing a file', () => unlessMissing(this.#fs.unlink(file)));
  }

  /** True when the store holds no blob at all. */
  async isEmpty(): Promise<boolean> {
    return callStorage('listing the store', async () => (await this.#list(join(this.#root, 'blobs'))).length === 0);
  }

  /** Everything in the store that has the name of a blob, a few hundred at a time. */
  async *list(): AsyncGenerator<readonly FoundFile[]> {
    for (const algorithm of ALGORITHMS) {
      const top = join(this.#root, 'blobs', algorithm);
      for (const prefix of await callStorage('listing the store', () => this.#list(top))) {
        if (!/^[a-f0-9]{2}$/.test(prefix)) continue;
        const names = await callStorage('listing the store', () => this.#list(join(top, prefix)));
        for (let at = 0; at < names.length; at += 200) {
          const digests = names.slice(at, at + 200).flatMap((hex) => parseDigest(`${algorithm}:${hex}`) ?? []);
          yield await callStorage('listing the store', () => this.#listDigests(digests));
        }
      }
    }
  }

  /** Files that a copy from another device left behind, by path. */
  async listIncoming(): Promise<readonly { readonly path: string; readonly since: number }[]> {
    const directory = this.#incoming();
    return callStorage('listing the store', async () => {
      const found: { path: string; since: number }[] = [];
      for (const name of await this.#list(directory)) {
        const path = join(directory, name);
        const since = await this.#since(path);
        if (since !== undefined) found.push({ path, since });
      }
      return found;
    });
  }

  async #listDigests(digests: readonly Digest[]): Promise<readonly FoundFile[]> {
    const found: FoundFile[] = [];
    for (const digest of digests) {
      for (const generation of await this.#list(this.#directory(digest))) {
        if (!GENERATION.test(generation)) continue;
        const since = await this.#since(this.#path({ digest, generation }));
        if (since !== undefined) found.push({ digest, generation, since });
      }
    }
    return found;
  }

  /** The change time: a rename sets it, while the modification time is that of a download which may be older. */
  async #since(path: string): Promise<number | undefined> {
    return (await this.#regular(path))?.ctimeMs;
  }

  /** What is there, if it is a file: links, pipes and directories are nobody's blob (F127). */
  async #regular(path: string): Promise<{ readonly size: number; readonly ctimeMs: number } | undefined> {
    try {
      const stat = await this.#fs.lstat(path);
      return stat.isFile() ? stat : undefined;
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(errorCode(error))) return undefined;
      throw error;
    }
  }

  async #moveIn(file: string, blob: BlobKey): Promise<void> {
    const directory = this.#directory(blob.digest);
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#fs.mkdir(directory, { recursive: true });
        await this.#fs.rename(file, this.#path(blob));
        break;
      } catch (error) {
        // At any moment before the file is in it, a removal may take the empty directory away.
        if (errorCode(error) !== 'ENOENT' || attempt === MOVE_ATTEMPTS) throw error;
        await this.#fs.lstat(file);
      }
    }
    // All of them: who made a directory may have been another process that has not flushed its parent yet.
    for (let at = directory; at.length >= this.#root.length; at = join(at, '..')) await flush(this.#fs, at);
  }

  /** Copied beside the blobs first: a file at a blob's path is always whole. */
  async #copyIn(file: string, blob: BlobKey): Promise<void> {
    const copy = join(this.#incoming(), blob.generation);
    await this.#fs.mkdir(this.#incoming(), { recursive: true });
    try {
      await this.#fs.copyFile(file, copy);
      await flush(this.#fs, copy);
      await this.#moveIn(copy, blob);
    } catch (error) {
      await this.#fs.unlink(copy).catch(() => undefined);
      throw error;
    }
    await this.#fs.unlink(file);
  }

  async #removeIfEmpty(directory: string): Promise<void> {
    try {
      await this.#fs.rmdir(directory);
    } catch (error) {
      if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(errorCode(error))) throw error;
    }
  }

  /** Names in a directory of the store. A link to a directory is nothing of ours: what lies behind it is not touched. */
  async #list(directory: string): Promise<readonly string[]> {
    try {
      const entry = await this.#fs.lstat(directory);
      return entry.isDirectory() ? await this.#fs.readdir(directory) : [];
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(errorCode(error))) return [];
      throw error;
    }
  }

  #incoming(): string {
    return join(this.#root, 'incoming');
  }

  #directory(digest: Digest): string {
    const hex = digestHex(digest);
    return join(this.#root, 'blobs', digestAlgorithm(digest), hex.slice(0, 2), hex);
  }

  #path(blob: BlobKey): string {
    return join(this.#directory(blob.digest), blob.generation);
  }
}

function quarantineName({ digest, generation }: BlobKey): string {
  return `${digestAlgorithm(digest)}-${digestHex(digest)}.${generation}`;
}

function parseQuarantineName(name: string): BlobKey | undefined {
  const [, algorithm, hex, generation] = QUARANTINED.exec(name) ?? [];
  const digest = parseDigest(`${algorithm}:${hex}`);
  return digest === undefined || generation === undefined ? undefined : { digest, generation };
}

async function unlessMissing(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
