import type { ContentDisposal, Logger } from '@breakwater/registry-core';
import type { BlobFiles } from './blob-files.js';
import type { BlobGeneration, BlobRemoval, UnlinkedManifests } from './ports.js';
import type { StoreMark } from './store-mark.js';

/** Manifests and blobs that are freed in one call. */
const BATCH = 100;

export interface FilesystemContentDisposalOptions {
  readonly files: BlobFiles;
  readonly mark: StoreMark;
  readonly manifests: UnlinkedManifests;
  readonly blobs: BlobRemoval;
  readonly logger: Logger;
}

/**
 * Frees what no repository links to. Blobs go in the steps g1 to g4, each of which may be the last of this process: the
 * row is marked, so that no link can come; the file is removed; its directory flushed; the row forgotten. Marked rows
 * that somebody left behind are finished with the batch.
 */
export class FilesystemContentDisposal implements ContentDisposal {
  readonly #files: BlobFiles;
  readonly #mark: StoreMark;
  readonly #manifests: UnlinkedManifests;
  readonly #blobs: BlobRemoval;
  readonly #logger: Logger;

  constructor(options: FilesystemContentDisposalOptions) {
    this.#files = options.files;
    this.#mark = options.mark;
    this.#manifests = options.manifests;
    this.#blobs = options.blobs;
    this.#logger = options.logger;
  }

  /**
   * @throws RegistryError UNAVAILABLE, detail.reason "storage": detail.problem "STORE_UNMOUNTED" when nothing was removed,
   * "STORE_FAILED" when what is marked is left to a later call
   * @throws RegistryError UNAVAILABLE (detail.reason "database")
   */
  async dispose(
    before: number,
    runId: string,
    dryRun: boolean,
  ): Promise<{ readonly manifests: number; readonly blobs: number; readonly bytes: number; readonly done: boolean }> {
    await this.#mark.check();
    if (dryRun) {
      const manifests = await this.#manifests.count(before);
      const blobs = await this.#blobs.count(before);
      return {
        manifests: manifests.count,
        blobs: blobs.count,
        bytes: manifests.bytes + blobs.bytes,
        done: true,
      };
    }
    const manifests = await this.#manifests.remove(before, BATCH);
    for (const { digest, size } of manifests.removed) {
      this.#logger.info({ run: runId, kind: 'manifest', digest, size }, 'freed');
    }
    const { more } = await this.#blobs.claim(before, BATCH);
    const freed = await this.#finish(runId);
    return {
      manifests: manifests.removed.length,
      blobs: freed.length,
      bytes: [...manifests.removed, ...freed].reduce((sum, each) => sum + each.size, 0),
      done: !manifests.more && !more,
    };
  }

  /** g2 to g4 for everything that is marked. One file that cannot be removed does not keep the others. */
  async finish(): Promise<number> {
    await this.#mark.check();
    return (await this.#finish('reconcile')).length;
  }

  async #finish(runId: string): Promise<readonly BlobGeneration[]> {
    const freed: BlobGeneration[] = [];
    const failures: unknown[] = [];
    let after: BlobGeneration | undefined;
    do {
      const marked = await this.#blobs.marked(after, BATCH);
      for (const blob of marked) {
        try {
          await this.#files.remove(blob);
        } catch (error) {
          failures.push(error);
          continue;
        }
        // Two disposers may both come here; the one whose statement deletes the row counts it.
        if (!(await this.#blobs.erase(blob))) continue;
        freed.push(blob);
        this.#logger.info({ run: runId, kind: 'blob', ...blob }, 'freed');
      }
      after = marked.at(-1);
    } while (after !== undefined);
    if (failures.length > 0) throw failures[0];
    return freed;
  }
}
