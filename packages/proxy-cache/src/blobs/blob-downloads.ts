import type { BlobStore, Logger } from '@breakwater/registry-core';
import type { ImageCompletion } from '../completing/image-completion.js';
import type { Emit } from '../events.js';
import type { UpstreamHealth } from '../health/upstream-health.js';
import { contentKey } from '../manifests/hot-manifests.js';
import type { Deadlines } from '../upstream/deadlines.js';
import { isUpstreamError } from '../upstream/upstream-error.js';
import type { UpstreamFailures } from '../upstream-failures.js';
import { type BlobPull, tellNotStored } from './blob-pull.js';
import { Deadline } from './deadline.js';
import { DownloadLease, type DownloadLeases } from './download-leases.js';
import type { DownloadLimits, DownloadSlots } from './download-slots.js';
import { FollowedDownload } from './follow-download.js';
import { GrowingBlob } from './growing-blob.js';
import type { Admission, QuotaGate } from './quota-gate.js';
import { slowestTransferMs } from './rate-floor.js';
import type { Spool } from './spool.js';
import type { SpoolFile } from './spool-file.js';
import { isStorageFailure, noSpace, quotaFull, storageFailure } from './storage-failure.js';
import { Transfer } from './transfer.js';
import type { UpstreamBlobs } from './upstream-blobs.js';

/** What downloads lean on. */
export interface BlobDownloadsParts {
  readonly upstream: UpstreamBlobs;
  readonly local: BlobStore;
  readonly spool: Spool;
  readonly slots: DownloadSlots;
  readonly limits: DownloadLimits;
  readonly leases: DownloadLeases;
  readonly quota: QuotaGate;
  readonly health: UpstreamHealth;
  readonly deadlines: Deadlines;
  readonly emit: Emit;
  readonly failures: UpstreamFailures;
  readonly completion: Pick<ImageCompletion, 'pullFailed'>;
  readonly logger: Logger;
}

/** A download of this process, or one that it follows. */
export interface Joined {
  readonly blob: GrowingBlob;
  /** Resolves when it is over; rejects with what it failed with. */
  readonly ended: Promise<void>;
  readonly fate: Fate;
}

/** What becomes of a download: decided before its size is told to those who read. */
export interface Fate {
  /** False where the quota of the organization has no room for it. */
  isKept: boolean;
  /** When those who wait for the first byte have waited long enough (P3). Monotonic. */
  readonly firstByteBy: number;
}

/** Gives a turn to download back. */
type Release = () => void;

/** Downloads into the spool and from there into the host's store, each for any number of readers. */
export class BlobDownloads {
  readonly #joined = new Map<string, Joined>();

  /** @param closing ends those under way */
  constructor(
    private readonly parts: BlobDownloadsParts,
    private readonly closing: AbortSignal,
  ) {}

  /** The download of a blob that is under way. @param key of its content, see `contentKey` */
  underWay(key: string): Joined | undefined {
    return this.#joined.get(key);
  }

  /** Resolves when there is none any more. */
  async ended(): Promise<void> {
    await Promise.allSettled([...this.#joined.values()].map(({ ended }) => ended));
  }

  /**
   * One download per digest and repository: content is readable only where its own upstream gave it (S26).
   * @param turn a turn to download with, if there is one already
   */
  join(pull: BlobPull, turn?: Release): Joined {
    const key = contentKey(pull.repository, pull.digest);
    const known = this.#joined.get(key);
    if (known !== undefined) {
      turn?.();
      return known;
    }
    const blob = new GrowingBlob();
    const fate = { isKept: true, firstByteBy: performance.now() + this.parts.deadlines.clientBudgetMs };
    const ended = this.#fetch(blob, pull, turn, fate).finally(() => {
      this.#joined.delete(key);
      turn?.();
      blob.release().catch((error: unknown) => this.parts.logger.warn({ err: error }, 'a spooled file stays open'));
    });
    // Those who read hear of it from the blob.
    ended.catch(() => undefined);
    const joined = { blob, ended, fate };
    this.#joined.set(key, joined);
    return joined;
  }

  /** Downloads, or follows the process that does and takes over from it, until the blob is there or has failed. */
  async #fetch(blob: GrowingBlob, pull: BlobPull, turn: Release | undefined, fate: Fate): Promise<void> {
    const { repository, digest } = pull;
    const { completion, leases, limits, logger, spool, upstream } = this.parts;
    try {
      upstream.assertNotRefused(pull);
      const identity = await spool.identity().catch(asStorageFailure);
      const key = { spool: identity, repository, digest };
      for (;;) {
        const claimed = await leases.claim(key);
        if (claimed instanceof DownloadLease) return await this.#lead(blob, pull, claimed, turn, fate);
        const firstByteMs = fate.firstByteBy - performance.now();
        const options = {
          key,
          leases,
          spool,
          blob,
          firstByteMs,
          patienceMs: limits.leaseMs,
          signal: this.closing,
        };
        if ((await new FollowedDownload(options, claimed).run()) === 'stored') return blob.retire();
        logger.info({ digest, repository: repository.name }, 'a download that another process began is gone on with');
      }
    } catch (error) {
      // What our own end has cut says nothing about the upstream.
      if (!this.closing.aborted) completion.pullFailed(pull.settings, repository, digest, error);
      blob.fail(error);
      throw error;
    }
  }

  /** Downloads under a lease, which it ends. */
  async #lead(
    blob: GrowingBlob,
    pull: BlobPull,
    lease: DownloadLease,
    turn: Release | undefined,
    fate: Fate,
  ): Promise<void> {
    const { settings, repository, digest } = pull;
    const { health, slots } = this.parts;
    let failure: unknown;
    let release = turn;
    try {
      // Who had the lease before has stored it, perhaps; and readers that saw only its size are waiting (G10).
      const stored = await this.parts.local.open(repository, digest).catch((error: unknown) => {
        if (!isStorageFailure(error)) throw error;
      });
      if (stored !== undefined) {
        await blob.completeFrom(stored);
        return blob.retire();
      }
      await health.assertMayAsk(settings);
      release ??= await slots.take(repository.organization);
      await this.#download(blob, pull, lease, fate);
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      release?.();
      await lease.end(this.closing.aborted ? undefined : failure);
    }
  }

  /** Fills the file, and hands it to the host when it is verified and flushed; else leaves what may be gone on with. */
  async #download(blob: GrowingBlob, pull: BlobPull, lease: DownloadLease, fate: Fate): Promise<void> {
    const { settings, repository, digest, requestId } = pull;
    const { deadlines, failures, logger, quota, spool, upstream } = this.parts;
    let admission: Admission | undefined;
    const content = { organization: repository.organization, repository: repository.name, reference: digest };
    const file = await spool.begin(repository, digest, lease.holder).catch(asStorageFailure);
    await blob.attach(file, 0);
    // Before the upstream is asked, whose body should not wait for it.
    const freeBytes = await spool.freeBytes();
    const deadline = new Deadline(this.closing, deadlines.blobMs);
    // Waiting for a turn was part of it.
    let budgetMs = Math.max(0, fate.firstByteBy - performance.now());
    const transfer = new Transfer({
      digest,
      file,
      blob,
      idleMs: deadlines.idleMs,
      signal: deadline.signal,
      ask: async (from) => {
        const answer = await upstream.open(pull, from, deadline.signal, budgetMs);
        budgetMs = deadlines.clientBudgetMs;
        if (answer.size !== undefined) {
          const left = answer.size - answer.from;
          if (left > freeBytes) {
            answer.body.destroy();
            throw noSpace(left, freeBytes);
          }
          deadline.allow(slowestTransferMs(answer.size));
          admission ??= await quota.admit(settings, answer.size);
        }
        fate.isKept = admission?.isKept ?? true;
        return answer;
      },
      onSize: (size) => lease.announce(size),
    });
    try {
      await transfer.run();
    } catch (error) {
      admission?.end(false);
      const failure = isUpstreamError(error) || isStorageFailure(error) ? error : storageFailure(error);
      if (isStorageFailure(failure)) {
        logger.warn({ err: failure, ...content }, 'a blob goes straight to its clients, without the disk');
        // Before the disk is asked once more, to clean up: readers can go on without it.
        blob.fail(failure);
      }
      const isWrong = isUpstreamError(error) && error.failureClass === 'integrity';
      if (isWrong) failures.tell(settings, content, error, requestId);
      const { reached } = transfer;
      if (reached > 0 && isUpstreamError(error)) {
        logger.warn({ err: error, ...content, bytes: reached }, 'a blob could be fetched in part only');
      }
      const isOfUse = reached > 0 && isUpstreamError(error) && !isWrong && (await lease.isHeld());
      await (isOfUse ? spool.leave(repository, digest, file) : spool.discard(file)).catch(() => undefined);
      throw failure;
    } finally {
      deadline.clear();
    }
    admission ??= await quota.admit(settings, transfer.reached);
    const isStored = admission.isKept ? await this.#store(pull, file, lease) : await this.#letGo(pull, file);
    admission.end(isStored);
    if (isStored) blob.retire();
  }

  /** Readers have what they need; only keeping it depends on the disk, and on the lease. Never rejects. */
  async #store(pull: BlobPull, file: SpoolFile, lease: DownloadLease): Promise<boolean> {
    const { repository, digest } = pull;
    const { local, logger, spool } = this.parts;
    try {
      await file.sync();
      const isHeld = await lease.isHeld();
      if (isHeld) await local.import(repository, digest, file.path);
      return isHeld;
    } catch (error) {
      const content = { organization: repository.organization, repository: repository.name, reference: digest };
      logger.warn({ err: error, ...content }, 'a blob could not be stored; the next pull fetches it again');
      tellNotStored(this.parts.emit, pull, error);
      return false;
    } finally {
      await spool.discard(file).catch(() => undefined);
    }
  }

  /** Readers have what they need, and the quota has no room for more than that. Never rejects. */
  async #letGo(pull: BlobPull, file: SpoolFile): Promise<false> {
    tellNotStored(this.parts.emit, pull, quotaFull());
    await this.parts.spool.discard(file).catch(() => undefined);
    return false;
  }
}

function asStorageFailure(cause: unknown): never {
  throw storageFailure(cause);
}
