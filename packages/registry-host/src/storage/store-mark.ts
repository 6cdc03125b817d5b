import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { BlobFiles } from './blob-files.js';
import { type FileSystem, flush, nodeFileSystem } from './file-system.js';
import type { BlobStoreIdentity } from './ports.js';
import { callStorage, errorCode, storageError } from './storage-error.js';

const MARK = '.breakwater-store';

/**
 * Tells the store from a bare mount point, and from somebody else's directory: a file in it holds the id that the
 * database has for its store. Without that, nothing is written and nothing is collected.
 */
export class StoreMark {
  readonly #root: string;
  readonly #files: BlobFiles;
  readonly #identity: BlobStoreIdentity;
  readonly #fs: FileSystem;
  #id: string | undefined;

  constructor(options: {
    readonly root: string;
    readonly files: BlobFiles;
    readonly identity: BlobStoreIdentity;
    readonly fileSystem?: FileSystem;
  }) {
    this.#root = options.root;
    this.#files = options.files;
    this.#identity = options.identity;
    this.#fs = options.fileSystem ?? nodeFileSystem;
  }

  /**
   * Returns when the store is there. One that is empty is marked, as long as the database has no blobs either.
   *
   * @throws RegistryError UNAVAILABLE (detail.reason "storage", detail.problem "STORE_UNMOUNTED" or "STORE_FAILED")
   * @throws RegistryError UNAVAILABLE (detail.reason "database")
   */
  async check(): Promise<void> {
    this.#id ??= await this.#identity.id();
    if ((await this.#read()) === this.#id) return;
    if ((await this.#identity.isEmpty()) && (await this.#files.isEmpty())) return this.#write(this.#id);
    // Somebody else may have marked it, and stored something, between our two looks.
    if ((await this.#read()) === this.#id) return;
    throw storageError(
      'STORE_UNMOUNTED',
      `the blob store is not mounted, or belongs to another database: ${MARK} in it does not match. ` +
        'Mount it, or begin with an empty database and an empty store',
    );
  }

  async #read(): Promise<string | undefined> {
    return callStorage('reading the mark of the store', async () => {
      try {
        return (await this.#fs.readFile(join(this.#root, MARK), 'utf8')).trim();
      } catch (error) {
        if (['ENOENT', 'ENOTDIR'].includes(errorCode(error))) return undefined;
        throw error;
      }
    });
  }

  /** Written beside and renamed: a mark is never seen half. */
  async #write(id: string): Promise<void> {
    await callStorage('marking the store', async () => {
      await this.#fs.mkdir(this.#root, { recursive: true });
      const draft = join(this.#root, `${MARK}.${randomUUID()}`);
      const handle = await this.#fs.open(draft, 'wx', 0o644);
      try {
        await handle.writeFile(`${id}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await this.#fs.rename(draft, join(this.#root, MARK));
      await flush(this.#fs, this.#root);
    });
  }
}
