import type {
  CollectionRun,
  ContentDisposal,
  ContentLink,
  DisposableContent,
  DisposablePage,
  Logger,
} from '@breakwater/registry-core';
import type { BlobFiles } from './blob-files.js';
import type {
  BlobGeneration,
  BlobRemoval,
  ManifestSize,
  RecordedBlob,
  StorageAudit,
  UnlinkedManifests,
} from './ports.js';
import type { StoreMark } from './store-mark.js';

/** Manifests and blobs that are freed in one call. */
const BATCH = 100;

export interface FilesystemContentDisposalOptions {
  readonly files: BlobFiles;
  readonly mark: StoreMark;
  readonly manifests: UnlinkedManifests;
  readonly blobs: BlobRemoval;
  /** Where removals are put on record that are finished outside of a run. */
  readonly audit: StorageAudit;
  readonly logger: Logger;
}

/** Puts blobs on record that are about to go; what it resolves to is told which of them went. */
type Intend = (blobs: readonly BlobGeneration[]) => Promise<(gone: readonly BlobGeneration[]) => Promise<void>>;

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
  readonly #audit: StorageAudit;
  readonly #logger: Logger;

  constructor(options: FilesystemContentDisposalOptions) {
    this.#files = options.files;
    this.#mark = options.mark;
    this.#manifests = options.manifests;
    this.#blobs = options.blobs;
    this.#audit = options.audit;
    this.#logger = options.logger;
  }

  /**
   * @throws RegistryError UNAVAILABLE, detail.reason "storage": detail.problem "STORE_UNMOUNTED" when nothing was removed,
   * "STORE_FAILED" when what is marked is left to a later call
   * @throws RegistryError UNAVAILABLE (detail.reason "database")
   */
  async dispose(
    before: number,
    run: CollectionRun,
    intend: (items: readonly DisposableContent[]) => Promise<void>,
  ): Promise<{ readonly freed: readonly DisposableContent[]; readonly done: boolean }> {
    await this.#mark.check();
    const unlinked = await this.#manifests.unlinked(before, undefined, BATCH);
    const manifests = await this.#removeManifests(unlinked.items, run, intend);
    const { more } = await this.#blobs.claim(before, BATCH, run);
    const blobs = await this.#finish(run, async (marked) => {
      await intend(marked.map(blobContent));
      return async () => undefined;
    });
    return { freed: [...manifests, ...blobs.map(blobContent)], done: unlinked.next === undefined && !more };
  }

  /** @throws RegistryError UNAVAILABLE (detail.reason "database") */
  async disposable(before: number, cursor: string | undefined, limit: number): Promise<DisposablePage> {
    // Manifests first, then blobs: the cursor says which, and where in them.
    const [kind = 'manifest', ...rest] = cursor?.split(' ') ?? [];
    const position = rest.length === 0 ? undefined : rest.join(' ');
    if (kind === 'manifest') {
      const { items, next } = await this.#manifests.unlinked(before, position, limit);
      return { items: items.map(manifestContent), next: next === undefined ? 'blob' : `manifest ${next}` };
    }
    const { items, next } = await this.#blobs.unlinked(before, position, limit);
    return { items: items.map(blobContent), next: next === undefined ? undefined : `blob ${next}` };
  }

  /** @throws RegistryError UNAVAILABLE (detail.reason "database") */
  async linkedOnlyBy(links: readonly ContentLink[]): Promise<readonly DisposableContent[]> {
    const manifests = await this.#manifests.linkedOnlyBy(links.filter(({ kind }) => kind === 'manifest'));
    const blobs = await this.#blobs.linkedOnlyBy(links.filter(({ kind }) => kind === 'blob'));
    return [...manifests.map(manifestContent), ...blobs.map(blobContent)];
  }

  /** g2 to g4 for everything that is marked. One file that cannot be removed does not keep the others. */
  async finish(): Promise<number> {
    await this.#mark.check();
    const freed = await this.#finish({ id: 'reconcile' }, async (marked) => {
      const deletions = marked.map((blob) => ({
        ...blobDeletion(blob),
        reason: 'unlinked: begun before and finished',
      }));
      const { settle } = await this.#audit.intend(deletions);
      return (gone) => settle(marked.map((blob) => (gone.includes(blob) ? 'done' : 'kept')));
    });
    return freed.length;
  }

  async #removeManifests(
    unlinked: readonly ManifestSize[],
    run: CollectionRun,
    intend: (items: readonly DisposableContent[]) => Promise<void>,
  ): Promise<readonly DisposableContent[]> {
    if (unlinked.length === 0) return [];
    await intend(unlinked.map(manifestContent));
    const removed = await this.#manifests.remove(
      unlinked.map(({ digest }) => digest),
      run,
    );
    for (const { digest, size } of removed) {
      this.#logger.info({ run: run.id, kind: 'manifest', digest, size }, 'freed');
    }
    return removed.map(manifestContent);
  }

  async #finish(run: CollectionRun, intend: Intend): Promise<readonly BlobGeneration[]> {
    const freed: BlobGeneration[] = [];
    const failures: unknown[] = [];
    let after: RecordedBlob | undefined;
    do {
      const marked = await this.#blobs.marked(after, BATCH);
      const settle = marked.length === 0 ? undefined : await intend(marked);
      const gone: BlobGeneration[] = [];
      for (const blob of marked) {
        try {
          await (blob.damage === undefined ? this.#files.remove(blob) : this.#files.quarantine(blob));
        } catch (error) {
          failures.push(error);
          continue;
        }
        // Two disposers may both come here; the one whose statement deletes the row counts it.
        if (!(await this.#blobs.erase(blob))) continue;
        gone.push(blob);
        this.#logger.info(
          { run: run.id, kind: 'blob', ...blob },
          blob.damage === undefined ? 'freed' : 'a damaged blob was put into quarantine',
        );
      }
      await settle?.(gone);
      freed.push(...gone);
      after = marked.at(-1);
    } while (after !== undefined);
    if (failures.length > 0) throw failures[0];
    return freed;
  }
}

function manifestContent({ digest, size }: ManifestSize): DisposableContent {
  return { kind: 'manifest', digest, size };
}

/** A blob as it stands in the audit. */
function blobDeletion({ digest, generation, size }: BlobGeneration) {
  return { kind: 'blob_content' as const, digest, generation, size };
}

function blobContent({ digest, generation, size }: BlobGeneration): DisposableContent {
  return { kind: 'blob', digest, generation, size };
}
