import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BlobStore, Clock, ContentDisposal, Logger } from '@breakwater/registry-core';
import { BlobFiles } from './blob-files.js';
import { FilesystemContentDisposal } from './content-disposal.js';
import type { FileSystem } from './file-system.js';
import { FilesystemBlobStore } from './filesystem-blob-store.js';
import type { BlobLinks, BlobRemoval, BlobStoreIdentity, UnlinkedManifests } from './ports.js';
import { type ReconcileReport, reconcile } from './reconcile.js';
import { StoreMark } from './store-mark.js';

export interface FilesystemContentOptions {
  /** Where the blobs are, a `file:` URL. The directory is made when it is first needed. */
  readonly url: string;
  readonly rows: BlobLinks & BlobRemoval & BlobStoreIdentity;
  readonly manifests: UnlinkedManifests;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default the machine's own. */
  readonly fileSystem?: FileSystem;
  /** A clock that never goes back. Default the process's own. */
  readonly monotonic?: Clock;
}

/** Blobs on a file system. */
export interface FilesystemContent {
  readonly blobs: BlobStore;
  readonly disposal: ContentDisposal;
  /**
   * Finishes begun removals and removes debris; for the background of a start, and hourly.
   *
   * @throws RegistryError UNAVAILABLE (detail.reason "storage", detail.problem "STORE_UNMOUNTED" or "STORE_FAILED")
   */
  reconcile(): Promise<ReconcileReport>;
}

/** Puts the parts of the file system's blob store together. Touches neither disk nor database. */
export function createFilesystemContent(options: FilesystemContentOptions): FilesystemContent {
  const { rows, manifests, clock, logger, monotonic } = options;
  const root = resolve(fileURLToPath(options.url));
  const fileSystem = options.fileSystem === undefined ? {} : { fileSystem: options.fileSystem };
  const files = new BlobFiles({ root, ...fileSystem });
  const mark = new StoreMark({ root, files, identity: rows, ...fileSystem });
  const disposal = new FilesystemContentDisposal({ files, mark, manifests, blobs: rows, logger });
  return {
    blobs: new FilesystemBlobStore({
      files,
      mark,
      links: rows,
      logger,
      ...(monotonic === undefined ? {} : { monotonic }),
    }),
    disposal,
    reconcile: () => reconcile({ files, mark, blobs: rows, disposal, clock, logger }),
  };
}
