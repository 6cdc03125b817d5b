import type { Clock, Logger } from '@breakwater/registry-core';
import type { BlobFiles, FoundFile } from './blob-files.js';
import type { FilesystemContentDisposal } from './content-disposal.js';
import type { BlobRemoval } from './ports.js';
import type { StoreMark } from './store-mark.js';

/** How long a file may be in the store without a row: an import needs seconds between the two. */
const STRAY_AFTER_MS = 24 * 60 * 60 * 1_000;
/** More strays than both of these are no debris but a wrong or restored database. */
const BRAKE_SHARE = 0.2;
const BRAKE_COUNT = 1_000;

/** What a reconciliation found and did. */
export interface ReconcileReport {
  /** Removals that somebody had begun. */
  readonly finished: number;
  /** Files without a row that were old enough. */
  readonly strays: number;
  /** True when there were so many of them that they were left alone. */
  readonly braked: boolean;
}

export interface ReconcileOptions {
  readonly files: BlobFiles;
  readonly mark: StoreMark;
  readonly blobs: BlobRemoval;
  readonly disposal: FilesystemContentDisposal;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Brings files and rows together again after a crash or a restore: begun removals are finished and debris is removed.
 * Rows whose file is missing are left: the store says so when they are opened. Walks the whole store, so it belongs
 * into the background; safe beside everything else.
 *
 * @throws RegistryError UNAVAILABLE (detail.reason "storage"); with detail.problem "STORE_UNMOUNTED" nothing was removed
 * @throws RegistryError UNAVAILABLE (detail.reason "database")
 */
export async function reconcile(options: ReconcileOptions): Promise<ReconcileReport> {
  const { files, mark, disposal, clock, logger } = options;
  const finished = await disposal.finish();
  const strayBefore = clock.now() - STRAY_AFTER_MS;
  let seen = 0;
  let strays = 0;
  for await (const found of files.list()) {
    seen += found.length;
    strays += (await straysAmong(options, found, strayBefore)).length;
  }
  const braked = strays > BRAKE_COUNT && strays > BRAKE_SHARE * seen;
  if (braked) {
    logger.error({ files: seen, strays }, 'too many stored files are unknown to the database; they are left alone');
    return { finished, strays, braked };
  }
  let removed = 0;
  if (strays > 0) {
    await mark.check();
    for await (const found of files.list()) {
      for (const stray of await straysAmong(options, found, strayBefore)) {
        await files.remove(stray);
        removed += 1;
        logger.info({ digest: stray.digest, generation: stray.generation }, 'removed a file without a row');
      }
    }
  }
  for (const left of await files.listIncoming()) {
    if (left.since < strayBefore) await files.discard(left.path);
  }
  return { finished, strays: removed, braked };
}

async function straysAmong(
  options: Pick<ReconcileOptions, 'blobs'>,
  found: readonly FoundFile[],
  strayBefore: number,
): Promise<readonly FoundFile[]> {
  const old = found.filter((file) => file.since < strayBefore);
  if (old.length === 0) return [];
  const known = await options.blobs.known(old);
  // Only a clear "no" removes a file: an answer that is missing is none.
  return old.filter((_, index) => known[index] === false);
}
