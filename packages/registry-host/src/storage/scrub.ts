import type { EventEmitter } from 'node:events';
import { type Clock, type Digest, digestAlgorithm, digestOf, type Logger } from '@breakwater/registry-core';
import type { BlobFiles } from './blob-files.js';
import { checkBlob } from './check-blob.js';
import { Pace } from './pace.js';
import type { BlobCensus, BlobDamages, ManifestCensus, ManifestDamages, RecordedBlob, StorageTasks } from './ports.js';
import type { ScrubReport } from './reports.js';
import type { StorageEvents } from './storage-events.js';
import type { StoreMark } from './store-mark.js';

const BLOB_PAGE = 100;
/** Of up to 4 MiB each. */
const MANIFEST_PAGE = 8;
/** What an object costs at least, bytes: many small ones are work, too. */
const LEAST_COST = 4 * 1024;
/** How often the lease is renewed and the place in the walk noted, ms. */
const KEEP_EVERY_MS = 10_000;

export interface ScrubOptions {
  readonly files: BlobFiles;
  readonly mark: StoreMark;
  readonly blobs: BlobCensus & BlobDamages;
  readonly manifests: ManifestCensus;
  readonly manifestDamages: ManifestDamages;
  readonly tasks: StorageTasks;
  readonly events: EventEmitter<StorageEvents>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Who this process is, for the lease. */
  readonly holder: string;
  /** Bytes per second. */
  readonly rate: number;
  /** From the end of one scrub to the beginning of the next, ms. */
  readonly intervalMs: number;
  readonly monotonic: Clock;
  /** Waits for so many ms; rejects once the signal is aborted. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Where the walk is: manifests first, then blobs, each in order of digest. */
interface Progress {
  kind: 'manifest' | 'blob';
  after?: Digest;
  manifests: number;
  blobs: number;
  bytes: number;
  damaged: number;
  cleared: number;
}

/**
 * Reads everything that is stored and hashes it, at a bounded rate, one process of the cluster at a time. What is damaged
 * is marked, so that it is not served and is fetched again; nothing is deleted. Goes on where it was after a restart.
 */
export class Scrub {
  readonly #options: ScrubOptions;

  constructor(options: ScrubOptions) {
    this.#options = options;
  }

  /**
   * Makes a run, or goes on with one, if that is due and nobody else is at it; else, and when it loses its lease or is
   * aborted, `undefined`.
   *
   * @throws RegistryError UNAVAILABLE (detail.reason "storage", "overload" or "database"): it goes on when called again
   */
  async run(signal: AbortSignal): Promise<ScrubReport | undefined> {
    const { tasks, holder, clock, intervalMs, events, logger } = this.#options;
    const taken = await tasks.take('scrub', holder, clock.now() - intervalMs);
    if (taken === undefined) return undefined;
    const progress = readProgress(taken.progress);
    const walk = new Walk(this.#options, progress, signal);
    try {
      await this.#options.mark.check();
      await this.#manifests(walk);
      await this.#blobs(walk);
    } catch (error) {
      await tasks.keep('scrub', holder, progress).catch(() => undefined);
      await tasks.release('scrub', holder).catch(() => undefined);
      if (isWalkEnded(error)) return undefined;
      throw error;
    }
    const { manifests, blobs, bytes, damaged, cleared } = progress;
    const report = { startedAt: taken.startedAt, manifests, blobs, bytes, damaged, cleared };
    await tasks.finish('scrub', holder, report);
    events.emit('scrubbed', report);
    logger[damaged > 0 ? 'warn' : 'info'](
      { manifests, blobs, bytes, damaged, cleared, seconds: Math.round((clock.now() - taken.startedAt) / 1_000) },
      'everything that is stored was read and hashed',
    );
    return report;
  }

  async #manifests(walk: Walk): Promise<void> {
    const { progress } = walk;
    if (progress.kind !== 'manifest') return;
    const { manifests, manifestDamages } = this.#options;
    for (;;) {
      const page = await manifests.after(progress.after, MANIFEST_PAGE);
      for (const { digest, bytes, isMarked } of page) {
        await walk.spend(Math.max(LEAST_COST, bytes.byteLength));
        if (digestOf(bytes, digestAlgorithm(digest)) !== digest) {
          progress.damaged += 1;
          await manifestDamages.found(digest, 'scrub');
        } else if (isMarked) {
          progress.cleared += 1;
          await manifestDamages.cleared(digest);
        }
        progress.manifests += 1;
        progress.bytes += bytes.byteLength;
        progress.after = digest;
        this.#options.events.emit('scrub-read', { bytes: bytes.byteLength });
      }
      if (page.length < MANIFEST_PAGE) break;
    }
    progress.kind = 'blob';
    delete progress.after;
  }

  async #blobs(walk: Walk): Promise<void> {
    const { progress } = walk;
    for (;;) {
      const page = await this.#options.blobs.liveAfter(progress.after, BLOB_PAGE);
      for (const blob of page) {
        await this.#blob(walk, blob);
        progress.blobs += 1;
        progress.after = blob.digest;
      }
      if (page.length < BLOB_PAGE) return;
    }
  }

  async #blob({ progress, spend }: Walk, blob: RecordedBlob): Promise<void> {
    const { files, mark, blobs, events, logger } = this.#options;
    const { digest, generation } = blob;
    await spend(LEAST_COST);
    const damage = await checkBlob(files, blob, spend);
    progress.bytes += blob.size;
    events.emit('scrub-read', { bytes: blob.size });
    if (damage === undefined) {
      if (blob.damage === undefined || !(await blobs.clear(blob))) return;
      progress.cleared += 1;
      events.emit('repaired', { kind: 'blob', digest });
      return;
    }
    // Everything is missing from a store that is not there.
    await mark.check();
    const isNew = await blobs.report(blob, damage);
    if (isNew || blob.damage !== undefined) progress.damaged += 1;
    if (!isNew) return;
    events.emit('damaged', { kind: 'blob', digest, damage, foundBy: 'scrub' });
    logger.warn({ digest, generation, damage, found_by: 'scrub' }, 'a stored blob is damaged');
  }
}

/** It was told to stop, or somebody else is at it. */
class WalkEnded extends Error {
  readonly code = 'WALK_ENDED';
}

function isWalkEnded(error: unknown): boolean {
  return (error as { readonly code?: unknown } | undefined)?.code === 'WALK_ENDED';
}

/** Keeps a walk to its rate and to its lease. */
class Walk {
  readonly #options: ScrubOptions;
  readonly #signal: AbortSignal;
  readonly #pace: Pace;
  #keptAt: number;

  constructor(
    options: ScrubOptions,
    readonly progress: Progress,
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#signal = signal;
    this.#keptAt = options.monotonic.now();
    this.#pace = new Pace({
      rate: options.rate,
      monotonic: options.monotonic,
      pause: (ms) => this.#pause(ms),
    });
  }

  readonly spend = async (bytes: number): Promise<void> => {
    if (this.#signal.aborted) throw new WalkEnded();
    await this.#pace.spend(bytes);
    const { monotonic, tasks, holder } = this.#options;
    if (monotonic.now() - this.#keptAt < KEEP_EVERY_MS) return;
    if (!(await tasks.keep('scrub', holder, this.progress))) throw new WalkEnded();
    this.#keptAt = monotonic.now();
  };

  async #pause(ms: number): Promise<void> {
    try {
      await this.#options.pause(ms, this.#signal);
    } catch (error) {
      if (this.#signal.aborted) throw new WalkEnded();
      throw error;
    }
  }
}

function readProgress(kept: unknown): Progress {
  const begun = { kind: 'manifest', manifests: 0, blobs: 0, bytes: 0, damaged: 0, cleared: 0 } as const;
  return { ...begun, ...(kept as Partial<Progress> | undefined) };
}
