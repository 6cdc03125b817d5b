import type { EventEmitter } from 'node:events';
import { basename } from 'node:path';
import type { Clock, Digest, Logger } from '@breakwater/registry-core';
import type { BlobFiles, FoundFile } from './blob-files.js';
import { checkBlob } from './check-blob.js';
import type { FilesystemContentDisposal } from './content-disposal.js';
import { Pace } from './pace.js';
import type {
  BlobCensus,
  BlobDamages,
  BlobRemoval,
  DamageList,
  RecordedBlob,
  StorageAudit,
  StorageDeletion,
} from './ports.js';
import type { ReconcileReport } from './reports.js';
import type { StorageEvents } from './storage-events.js';
import type { StoreMark } from './store-mark.js';

/** How long a file may be in the store without a row: an import needs seconds between the two. */
const STRAY_AFTER_MS = 24 * 60 * 60 * 1_000;
/** More strays than both of these are no debris but a wrong or restored database. */
const BRAKE_SHARE = 0.2;
const BRAKE_COUNT = 1_000;
const ROW_PAGE = 200;
/** How fast files are read that turned up again, bytes per second. */
const RECHECK_RATE = 32 * 1024 * 1024;

export interface ReconcileOptions {
  readonly files: BlobFiles;
  readonly mark: StoreMark;
  readonly blobs: BlobRemoval & BlobCensus & BlobDamages;
  readonly damages: DamageList | undefined;
  readonly disposal: FilesystemContentDisposal;
  readonly audit: StorageAudit;
  readonly events: EventEmitter<StorageEvents>;
  readonly clock: Clock;
  readonly monotonic: Clock;
  readonly logger: Logger;
  /** How long damaged content is kept in quarantine, ms. */
  readonly quarantineMs: number;
  /** Called before each batch; what it throws ends the reconciliation. */
  readonly onBatch?: () => Promise<void>;
}

/**
 * Brings files and rows together again after a crash, or after a backup of either was restored: begun removals are
 * finished, debris is removed, and rows without a whole file are marked, so that their content is fetched again. Walks
 * the whole store, so it belongs into the background; safe beside everything else.
 *
 * @throws RegistryError UNAVAILABLE (detail.reason "storage"); with detail.problem "STORE_UNMOUNTED" nothing was removed
 * @throws RegistryError UNAVAILABLE (detail.reason "database")
 */
export async function reconcile(options: ReconcileOptions): Promise<ReconcileReport> {
  const finished = await options.disposal.finish();
  const rows = await reconcileRows(options);
  const strays = await sweepStrays(options);
  const dropped = await dropOld(options);
  const report = { finished, ...strays, ...rows, dropped };
  options.events.emit('reconciled', report);
  return report;
}

/**
 * What `reconcile` would find, without any of its effects. What is marked as damaged and may be right again is not read.
 *
 * @throws RegistryError UNAVAILABLE
 */
export async function previewReconcile(
  options: Pick<ReconcileOptions, 'files' | 'mark' | 'blobs' | 'clock' | 'quarantineMs' | 'onBatch'>,
): Promise<ReconcileReport> {
  const { files, mark, blobs, clock, quarantineMs } = options;
  await mark.check();
  let finished = 0;
  let marked: RecordedBlob | undefined;
  do {
    await options.onBatch?.();
    const page = await blobs.marked(marked, ROW_PAGE);
    finished += page.length;
    marked = page.at(-1);
  } while (marked !== undefined);
  let missing = 0;
  for await (const page of liveBlobs(options)) {
    for (const blob of page) {
      missing += Number(blob.damage === undefined && (await files.inspect(blob)) !== undefined);
    }
  }
  const { strays, braked } = await countStrays(options, clock.now() - STRAY_AFTER_MS);
  const before = clock.now() - quarantineMs;
  const dropped = (await files.listQuarantine()).filter(({ since }) => since < before).length;
  return { finished, strays, braked, missing, cleared: 0, dropped };
}

async function* liveBlobs({ blobs, onBatch }: Pick<ReconcileOptions, 'blobs' | 'onBatch'>) {
  let after: Digest | undefined;
  for (;;) {
    await onBatch?.();
    const page = await blobs.liveAfter(after, ROW_PAGE);
    yield page;
    after = page.at(-1)?.digest;
    if (page.length < ROW_PAGE) return;
  }
}

/** Rows whose file is missing or has a wrong size are marked; marked ones whose file is right again are not any more. */
async function reconcileRows(
  options: ReconcileOptions,
): Promise<{ readonly missing: number; readonly cleared: number }> {
  let missing = 0;
  let cleared = 0;
  for await (const page of liveBlobs(options)) {
    for (const blob of page) {
      if (blob.damage === undefined) missing += Number(await markIfMissing(options, blob));
      else cleared += Number(await clearIfRight(options, blob));
    }
  }
  return { missing, cleared };
}

async function markIfMissing({ files, mark, blobs, events, logger }: ReconcileOptions, blob: RecordedBlob) {
  const damage = await files.inspect(blob);
  if (damage === undefined) return false;
  // Everything is missing from a store that is not there.
  await mark.check();
  if (!(await blobs.report(blob, damage))) return false;
  const { digest, generation } = blob;
  events.emit('damaged', { kind: 'blob', digest, damage, foundBy: 'reconcile' });
  logger.warn({ digest, generation, damage, found_by: 'reconcile' }, 'a stored blob is damaged');
  return true;
}

async function clearIfRight(options: ReconcileOptions, blob: RecordedBlob): Promise<boolean> {
  // What did not hash to its digest is read again by the scrub, not every hour.
  if (blob.damage === 'content' || (await options.files.inspect(blob)) !== undefined) return false;
  const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());
  const pace = new Pace({ rate: RECHECK_RATE, monotonic: options.monotonic, pause });
  const damage = await checkBlob(options.files, blob, async (bytes) => {
    await options.onBatch?.();
    await pace.spend(bytes);
  });
  if (damage !== undefined) {
    if (damage !== blob.damage) await options.blobs.report(blob, damage);
    return false;
  }
  if (!(await options.blobs.clear(blob))) return false;
  options.events.emit('repaired', { kind: 'blob', digest: blob.digest });
  options.logger.info({ digest: blob.digest }, 'a damaged blob is whole again');
  return true;
}

/** Lists first and removes then, in batches each of which asks the database again. */
async function sweepStrays(options: ReconcileOptions): Promise<{ readonly strays: number; readonly braked: boolean }> {
  const { files, mark, clock, logger } = options;
  const strayBefore = clock.now() - STRAY_AFTER_MS;
  const { seen, strays, braked } = await countStrays(options, strayBefore);
  if (braked) {
    logger.error({ files: seen, strays }, 'too many stored files are unknown to the database; they are left alone');
    return { strays, braked };
  }
  let removed = 0;
  if (strays > 0) {
    for await (const found of files.list()) {
      await options.onBatch?.();
      const among = await straysAmong(options, found, strayBefore);
      if (among.length > 0) await mark.check();
      const deletions = among.map(({ digest, generation }) => ({
        kind: 'blob_content' as const,
        digest,
        generation,
        reason: 'stray: a file that the database does not know',
      }));
      await onRecord(options, deletions, async (index) => {
        const stray = among[index];
        if (stray === undefined) return;
        await files.remove(stray);
        removed += 1;
        logger.info({ digest: stray.digest, generation: stray.generation }, 'removed a file without a row');
      });
    }
  }
  const left = (await files.listIncoming()).filter(({ since }) => since < strayBefore);
  const copies = left.map(({ path }) => ({
    kind: 'file' as const,
    reference: basename(path),
    reason: 'stray: a copy that was never finished',
  }));
  await onRecord(options, copies, async (index) => files.discard(left[index]?.path ?? ''));
  return { strays: removed, braked };
}

/** Makes deletions one after the other, all of them on record before the first. */
async function onRecord(
  { audit }: Pick<ReconcileOptions, 'audit'>,
  deletions: readonly StorageDeletion[],
  remove: (index: number) => Promise<void>,
): Promise<void> {
  if (deletions.length === 0) return;
  const { settle } = await audit.intend(deletions);
  for (const index of deletions.keys()) await remove(index);
  await settle(deletions.map(() => 'done'));
}

async function countStrays(
  options: Pick<ReconcileOptions, 'files' | 'blobs' | 'onBatch'>,
  strayBefore: number,
): Promise<{ readonly seen: number; readonly strays: number; readonly braked: boolean }> {
  let seen = 0;
  let strays = 0;
  for await (const found of options.files.list()) {
    await options.onBatch?.();
    seen += found.length;
    strays += (await straysAmong(options, found, strayBefore)).length;
  }
  return { seen, strays, braked: strays > BRAKE_COUNT && strays > BRAKE_SHARE * seen };
}

async function dropOld(options: ReconcileOptions): Promise<number> {
  const { files, mark, damages, clock, logger, quarantineMs } = options;
  const before = clock.now() - quarantineMs;
  const old = (await files.listQuarantine()).filter((file) => file.since < before);
  if (old.length > 0) await mark.check();
  const deletions = old.map(({ digest, generation, size }) => ({
    kind: 'blob_content' as const,
    digest,
    generation,
    size,
    reason: 'damaged, and in quarantine for long enough',
  }));
  await onRecord(options, deletions, async (index) => {
    const file = old[index];
    if (file === undefined) return;
    await files.dropQuarantined(file);
    logger.info({ digest: file.digest, generation: file.generation }, 'removed a damaged file from quarantine');
  });
  await damages?.prune(before);
  return old.length;
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
