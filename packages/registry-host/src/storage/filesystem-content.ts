import { EventEmitter } from 'node:events';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BlobStore, Clock, ContentDisposal, Logger } from '@breakwater/registry-core';
import { BlobFiles, LONGEST_CALL_MS } from './blob-files.js';
import { FilesystemContentDisposal } from './content-disposal.js';
import { type FileReads, type FileSystem, nodeFileSystem } from './file-system.js';
import { FilesystemBlobStore } from './filesystem-blob-store.js';
import { gatedFileSystem } from './gated-file-system.js';
import {
  type BlobCensus,
  type BlobDamages,
  type BlobLinks,
  type BlobRemoval,
  type BlobStoreIdentity,
  blankAudit,
  type DamageList,
  type StorageAudit,
  type UnlinkedManifests,
} from './ports.js';
import { previewReconcile, reconcile } from './reconcile.js';
import type { ReconcileReport } from './reports.js';
import type { StorageEvents } from './storage-events.js';
import { StoreMark } from './store-mark.js';

const QUARANTINE_MS = 30 * 24 * 60 * 60 * 1_000;

export interface FilesystemContentOptions {
  /** Where the blobs are, a `file:` URL. The directory is made when it is first needed. */
  readonly url: string;
  readonly rows: BlobLinks & BlobRemoval & BlobDamages & BlobCensus & BlobStoreIdentity;
  readonly manifests: UnlinkedManifests;
  /** Marks to be tidied up with the store. */
  readonly damages?: DamageList;
  /** Where deletions outside of a run are put on record. Default nowhere. */
  readonly audit?: StorageAudit;
  /** How long damaged content is kept in quarantine, ms. Default 30 days. */
  readonly quarantineMs?: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where damage and failures are told. Default one of its own. */
  readonly events?: EventEmitter<StorageEvents>;
  /** Default the machine's own. */
  readonly fileSystem?: FileSystem;
  /** Default the machine's own. */
  readonly fileReads?: FileReads;
  /** How long one read of the disk is waited for, ms. Default 15 seconds. */
  readonly longestCallMs?: number;
  /** A clock that never goes back. Default the process's own. */
  readonly monotonic?: Clock;
}

/** Blobs on a file system. */
export interface FilesystemContent {
  readonly blobs: BlobStore;
  readonly disposal: ContentDisposal;
  readonly events: EventEmitter<StorageEvents>;
  readonly files: BlobFiles;
  readonly mark: StoreMark;
  /**
   * Finishes begun removals, removes debris and marks what is missing; for the background of a start, and hourly.
   *
   * @param onBatch called before each batch; what it throws ends the reconciliation
   * @throws RegistryError UNAVAILABLE (detail.reason "storage", detail.problem "STORE_UNMOUNTED" or "STORE_FAILED")
   */
  reconcile(onBatch?: () => Promise<void>): Promise<ReconcileReport>;
  /** What `reconcile` would find; changes nothing. @throws as it does */
  previewReconcile(onBatch?: () => Promise<void>): Promise<ReconcileReport>;
}

/** Puts the parts of the file system's blob store together. Touches neither disk nor database. */
export function createFilesystemContent(options: FilesystemContentOptions): FilesystemContent {
  const { rows, manifests, clock, logger, damages, quarantineMs = QUARANTINE_MS, audit = blankAudit } = options;
  const monotonic = options.monotonic ?? { now: () => performance.now() };
  const root = resolve(fileURLToPath(options.url));
  const fileSystem = gatedFileSystem(options.fileSystem ?? nodeFileSystem, options.longestCallMs ?? LONGEST_CALL_MS);
  const files = new BlobFiles({
    root,
    fileSystem,
    ...(options.fileReads === undefined ? {} : { fileReads: options.fileReads }),
    ...(options.longestCallMs === undefined ? {} : { longestCallMs: options.longestCallMs }),
  });
  const events = options.events ?? new EventEmitter<StorageEvents>();
  const mark = new StoreMark({ root, files, identity: rows, fileSystem });
  const disposal = new FilesystemContentDisposal({ files, mark, manifests, blobs: rows, audit, logger });
  return {
    blobs: new FilesystemBlobStore({
      files,
      mark,
      rows,
      events,
      logger,
      monotonic,
    }),
    disposal,
    events,
    files,
    mark,
    previewReconcile: (onBatch) =>
      previewReconcile({
        files,
        mark,
        blobs: rows,
        clock,
        quarantineMs,
        ...(onBatch === undefined ? {} : { onBatch }),
      }),
    reconcile: (onBatch) =>
      reconcile({
        files,
        mark,
        blobs: rows,
        damages,
        disposal,
        audit,
        events,
        clock,
        monotonic,
        logger,
        quarantineMs,
        ...(onBatch === undefined ? {} : { onBatch }),
      }),
  };
}
