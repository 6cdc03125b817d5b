import type { OpenBlob } from '@breakwater/registry-core';
import type { Emit } from '../events.js';
import type { UpstreamHealth } from '../health/upstream-health.js';
import type { Deadlines } from '../upstream/deadlines.js';
import { type BlobPull, tellNotStored } from './blob-pull.js';
import { Deadline } from './deadline.js';
import type { DownloadSlots } from './download-slots.js';
import { slowestTransferMs } from './rate-floor.js';
import { resumedChunks } from './resumed-chunks.js';
import { UncachedBlob } from './uncached-blob.js';
import type { UpstreamBlobs } from './upstream-blobs.js';

/** What pulls without a disk lean on. */
export interface UncachedPullsParts {
  readonly upstream: UpstreamBlobs;
  readonly slots: DownloadSlots;
  readonly health: UpstreamHealth;
  readonly deadlines: Deadlines;
  readonly emit: Emit;
}

/** Pulls of blobs that no disk keeps: one download for each client (F110 to F117). */
export class UncachedPulls {
  /** @param closing ends those under way */
  constructor(
    private readonly parts: UncachedPullsParts,
    private readonly closing: AbortSignal,
  ) {}

  /**
   * Straight from the upstream to one client. It has a turn like any download, for nobody else can read along.
   * @param failure what keeps the blob from being stored; thrown when the upstream does not tell its size
   */
  async begin(pull: BlobPull, failure: unknown): Promise<OpenBlob> {
    const firstByteBy = performance.now() + this.parts.deadlines.clientBudgetMs;
    const release = await this.parts.slots.take(pull.repository.organization);
    return this.#sent(pull, failure, release, Math.max(0, firstByteBy - performance.now()));
  }

  /** The same for a client that has a part of it: it would be cut off, and so it waits for its turn as long as that takes. */
  async goOn(pull: BlobPull, failure: unknown, isGone: () => boolean): Promise<OpenBlob> {
    const { deadlines, slots } = this.parts;
    const release = await slots.take(pull.repository.organization, deadlines.blobMs);
    if (!isGone()) return this.#sent(pull, failure, release, deadlines.clientBudgetMs);
    release();
    throw failure;
  }

  /** @param release gives its turn back @param firstByteMs how long the first byte may take */
  async #sent(pull: BlobPull, failure: unknown, release: () => void, firstByteMs: number): Promise<OpenBlob> {
    const { deadlines, emit, health, upstream } = this.parts;
    const { settings, digest } = pull;
    const deadline = new Deadline(this.closing, deadlines.blobMs);
    const onClosed = () => {
      deadline.clear();
      release();
    };
    try {
      upstream.assertNotRefused(pull);
      await health.assertMayAsk(settings);
      const ask = (from: number, budgetMs = deadlines.clientBudgetMs) =>
        upstream.open(pull, from, deadline.signal, budgetMs);
      const answer = await ask(0, firstByteMs);
      const { size, from, body } = answer;
      if (size === undefined || from !== 0) {
        body.destroy();
        throw failure;
      }
      deadline.allow(slowestTransferMs(size));
      tellNotStored(emit, pull, failure);
      const chunks = resumedChunks(answer, { size, idleMs: deadlines.idleMs, signal: deadline.signal, ask });
      return new UncachedBlob({ digest, size, chunks, onClosed });
    } catch (error) {
      onClosed();
      throw error;
    }
  }
}
