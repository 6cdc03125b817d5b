import {
  type BlobStore,
  type Clock,
  type Digest,
  isRegistryError,
  type Logger,
  type OpenBlob,
  type ProxyCacheSettings,
} from '@breakwater/registry-core';
import type { ExtraHeaders } from '@breakwater/registry-http';
import type { ImageCompletion } from '../completing/image-completion.js';
import { type Emit, type IsHeard, type RequestIdSource, requestFacts } from '../events.js';
import type { UpstreamHealth } from '../health/upstream-health.js';
import { forwardedHeaders, hitHeaders } from '../manifests/cache-headers.js';
import { contentKey } from '../manifests/hot-manifests.js';
import type { ProxiedRepository } from '../ports.js';
import type { RememberedRefusals } from '../remembered-refusals.js';
import type { Deadlines } from '../upstream/deadlines.js';
import type { UpstreamClient } from '../upstream/upstream-client.js';
import { isUpstreamError } from '../upstream/upstream-error.js';
import type { UpstreamBlob } from '../upstream/upstream-registry.js';
import type { UpstreamFailures } from '../upstream-failures.js';
import { Deadline } from './deadline.js';
import { DownloadLease, type DownloadLeases } from './download-leases.js';
import type { DownloadLimits, DownloadSlots } from './download-slots.js';
import { FailoverBlob } from './failover-blob.js';
import { FollowedDownload } from './follow-download.js';
import { GrowingBlob } from './growing-blob.js';
import type { Admission, QuotaGate } from './quota-gate.js';
import { slowestTransferMs } from './rate-floor.js';
import { resumedChunks } from './resumed-chunks.js';
import type { OnDrop, Spool, SpoolUsage } from './spool.js';
import type { SpoolFile } from './spool-file.js';
import { isStorageFailure, noSpace, quotaFull, storageFailure } from './storage-failure.js';
import { Transfer } from './transfer.js';
import { UncachedBlob } from './uncached-blob.js';

/** What pulls of blobs lean on. */
export interface PullThroughBlobsParts {
  readonly local: BlobStore;
  readonly spool: Spool;
  readonly slots: DownloadSlots;
  readonly limits: DownloadLimits;
  readonly leases: DownloadLeases;
  readonly quota: QuotaGate;
  readonly clock: Clock;
  readonly health: UpstreamHealth;
  readonly upstreams: UpstreamClient;
  readonly deadlines: Deadlines;
  readonly emit: Emit;
  readonly isHeard: IsHeard;
  readonly failures: UpstreamFailures;
  readonly refusals: RememberedRefusals;
  readonly completion: Pick<ImageCompletion, 'pullFailed'>;
  readonly logger: Logger;
}

/** A blob for a client, and what its answer says about where it came from. Whoever has it closes the blob. */
export interface PulledBlob {
  readonly blob: OpenBlob;
  readonly headers: ExtraHeaders;
}

/** One pull of a blob. */
interface BlobPull {
  readonly settings: ProxyCacheSettings;
  readonly repository: ProxiedRepository;
  readonly digest: Digest;
  readonly requestId: RequestIdSource | undefined;
}

/** A download of this process, or one that it follows. */
interface Joined {
  readonly blob: GrowingBlob;
  /** Resolves when it is over; rejects with what it failed with. */
  readonly ended: Promise<void>;
  readonly fate: Fate;
}

/** What becomes of a download: decided before its size is told to those who read. */
interface Fate {
  /** False where the quota of the organization has no room for it. */
  isKept: boolean;
  /** When those who wait for the first byte have waited long enough (P3). Monotonic. */
  readonly firstByteBy: number;
}

/** The part of the client budget below which an upstream that has not answered is not taken to be down. */
const FAIR_PART = 0.5;

/** Gives a turn to download back. */
type Release = () => void;

/** Pulls of blobs: from the host's store, else streamed from the upstream while they are stored. */
export class PullThroughBlobs {
  readonly #joined = new Map<string, Joined>();
  /** Look-ups under way, and whether they find something. */
  readonly #looks = new Map<string, Promise<boolean>>();
  readonly #closing = new AbortController();

  constructor(private readonly parts: PullThroughBlobsParts) {}

  /**
   * @throws UpstreamError when the blob is not stored and the upstream does not give it
   * @throws RegistryError for failures of our own store
   */
  async pull(
    settings: ProxyCacheSettings,
    repository: ProxiedRepository,
    digest: Digest,
    requestId?: RequestIdSource,
  ): Promise<PulledBlob> {
    const pull = { settings, repository, digest, requestId };
    let storeFailure: unknown;
    for (;;) {
      try {
        const stored = await this.#stored(repository, digest);
        if (stored !== undefined) {
          this.#tellPull(repository, digest, 'hit');
          return { blob: stored, headers: hitHeaders() };
        }
      } catch (error) {
        if (!isStorageFailure(error)) throw error;
        // Stored by the download of a moment ago, and yet it cannot be opened.
        if (storeFailure !== undefined) return this.#passThrough(pull, error);
        storeFailure = error;
      }
      const fetched = await this.#fetched(pull).catch((error: unknown) => {
        // What the store would have had nobody knows: that the upstream has it not, or cannot be asked, says nothing.
        throw storeFailure !== undefined && isUpstreamError(error) ? storeFailure : error;
      });
      if (fetched !== undefined) return fetched;
    }
  }

  /** From the download, which goes to the disk; from the upstream alone where the disk fails. `undefined` = look again. */
  async #fetched(pull: BlobPull): Promise<PulledBlob | undefined> {
    try {
      const { blob: growing, fate } = this.#join(pull);
      const blob = await growing.reader();
      // A download that ended between the look into the store and now has left the blob there, or made room for another.
      if (blob === undefined) return undefined;
      this.#tellPull(pull.repository, pull.digest, 'miss');
      return {
        blob: new FailoverBlob(blob, (failure, isGone) => this.#goOn(pull, failure, isGone)),
        headers: missHeaders(fate),
      };
    } catch (error) {
      if (!isStorageFailure(error)) throw error;
      return this.#passThrough(pull, error);
    }
  }

  async #passThrough(pull: BlobPull, failure: unknown): Promise<PulledBlob> {
    const blob = await this.#uncached(pull, failure);
    this.#tellPull(pull.repository, pull.digest, 'miss');
    return { blob, headers: forwardedHeaders('uri-miss', false) };
  }

  /**
   * Straight from the upstream to one client. It has a turn like any download, for nobody else can read along.
   * @param failure what keeps the blob from being stored; thrown when the upstream does not tell its size
   */
  async #uncached(pull: BlobPull, failure: unknown): Promise<OpenBlob> {
    const firstByteBy = performance.now() + this.parts.deadlines.clientBudgetMs;
    const release = await this.parts.slots.take(pull.repository.organization);
    return this.#sent(pull, failure, release, Math.max(0, firstByteBy - performance.now()));
  }

  /** The same for a client that has a part of it: it would be cut off, and so it waits for its turn as long as that takes. */
  async #goOn(pull: BlobPull, failure: unknown, isGone: () => boolean): Promise<OpenBlob> {
    const { deadlines, slots } = this.parts;
    const release = await slots.take(pull.repository.organization, deadlines.blobMs);
    if (!isGone()) return this.#sent(pull, failure, release, deadlines.clientBudgetMs);
    release();
    throw failure;
  }

  /** @param release gives its turn back @param firstByteMs how long the first byte may take */
  async #sent(pull: BlobPull, failure: unknown, release: Release, firstByteMs: number): Promise<OpenBlob> {
    const { deadlines, health } = this.parts;
    const { settings, digest } = pull;
    const deadline = new Deadline(this.#closing.signal, deadlines.blobMs);
    const onClosed = () => {
      deadline.clear();
      release();
    };
    try {
      this.#assertNotRefused(pull);
      await health.assertMayAsk(settings);
      const ask = (from: number, budgetMs = deadlines.clientBudgetMs) =>
        this.#open(pull, from, deadline.signal, budgetMs);
      const answer = await ask(0, firstByteMs);
      const { size, from, body } = answer;
      if (size === undefined || from !== 0) {
        body.destroy();
        throw failure;
      }
      deadline.allow(slowestTransferMs(size));
      this.#tellNotStored(pull, failure);
      const chunks = resumedChunks(answer, { size, idleMs: deadlines.idleMs, signal: deadline.signal, ask });
      return new UncachedBlob({ digest, size, chunks, onClosed });
    } catch (error) {
      onClosed();
      throw error;
    }
  }

  /**
   * Fetches a blob of a repository into the host's store, behind the downloads that clients wait for: it resolves when the
   * blob is stored, at once if it is already. A download that is under way, here or in another process that shares the
   * spool, is waited for and not begun a second time; what an earlier attempt has left is gone on with. It neither
   * counts attempts nor repeats itself over time: whoever calls it decides whether and when to try again.
   *
   * @throws UpstreamError when the upstream does not give it, as a pull would be told
   * @param bytes its size
   * @throws RegistryError UNAVAILABLE with reason `overload`, at once, when clients need the turns; `quota`, at once, when it
   *   would not be stored; `storage` or `database` for failures of our own
   */
  async ensure(
    settings: ProxyCacheSettings,
    repository: ProxiedRepository,
    digest: Digest,
    bytes: number,
  ): Promise<void> {
    if ((await this.#storedSize(repository, digest)) !== undefined) return;
    const freeBytes = await this.parts.spool.freeBytes();
    if (bytes > freeBytes) throw noSpace(bytes, freeBytes);
    const { isKept, end } = await this.parts.quota.admit(settings, bytes);
    end(false);
    if (!isKept) throw quotaFull();
    const key = contentKey(repository, digest);
    const pull = { settings, repository, digest, requestId: undefined };
    const joined =
      this.#joined.get(key) ?? this.#join(pull, this.parts.slots.takeInBackground(repository.organization));
    await joined.ended;
    if ((await this.#storedSize(repository, digest)) === undefined) throw storageFailure();
  }

  /** Size of a blob in bytes, without fetching it. `undefined` when the upstream does not say. */
  async size(
    settings: ProxyCacheSettings,
    repository: ProxiedRepository,
    digest: Digest,
    requestId?: RequestIdSource,
  ): Promise<{ readonly size: number; readonly headers: ExtraHeaders } | undefined> {
    // First what is on its way, then what is stored: the other way round, a download that ends in between would be missed.
    const joined = this.#joined.get(contentKey(repository, digest));
    const growing = await joined?.blob.size();
    if (joined !== undefined && growing !== undefined) return { size: growing, headers: missHeaders(joined.fate) };
    let storeFailure: unknown;
    try {
      const stored = await this.#storedSize(repository, digest);
      if (stored !== undefined) return { size: stored, headers: hitHeaders() };
    } catch (error) {
      if (!isStorageFailure(error)) throw error;
      storeFailure = error;
    }
    try {
      const size = await this.#askedSize({ settings, repository, digest, requestId });
      return size === undefined ? undefined : { size, headers: forwardedHeaders('uri-miss', false) };
    } catch (error) {
      throw storeFailure !== undefined && isUpstreamError(error) ? storeFailure : error;
    }
  }

  async #askedSize(pull: BlobPull): Promise<number | undefined> {
    const { settings, repository, digest } = pull;
    this.#assertNotRefused(pull);
    await this.parts.health.assertMayAsk(settings);
    const signal = AbortSignal.timeout(this.parts.deadlines.clientBudgetMs);
    return this.#asked(pull, () => this.parts.upstreams.registry(settings).headBlob(repository.name, digest, signal));
  }

  /** Whether it is stored, or on its way. */
  async isCached(repository: ProxiedRepository, digest: Digest): Promise<boolean> {
    const isOnItsWay = this.#joined.has(contentKey(repository, digest));
    return isOnItsWay || (await this.#storedSize(repository, digest)) !== undefined;
  }

  /**
   * Removes partial files that nobody has written to since `before` (ms since the epoch) and whose download is not under
   * way in any process; with `dryRun` it counts them only. Safe at any time: what is removed is fetched anew.
   */
  async dropStale(before: number, dryRun = false, onDrop?: OnDrop): Promise<SpoolUsage> {
    const { spool, leases, clock } = this.parts;
    const holders = await leases.holders(await spool.identity());
    return spool.dropStale(before, clock, holders, dryRun, onDrop);
  }

  /** Ends the downloads under way and waits until they are gone. What they have is left for the next process. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled([...this.#joined.values()].map(({ ended }) => ended));
  }

  /**
   * One download per digest and repository: content is readable only where its own upstream gave it (S26).
   * @param turn a turn to download with, if there is one already
   */
  #join(pull: BlobPull, turn?: Release): Joined {
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

  /**
   * Looks into the store. Of those who ask for the same at once one looks, and the others only where there is something:
   * a thousand look-ups for one cold blob would have the database shed them.
   */
  async #stored(repository: ProxiedRepository, digest: Digest): Promise<OpenBlob | undefined> {
    const key = contentKey(repository, digest);
    const ahead = this.#looks.get(key);
    if (ahead !== undefined) return (await ahead) ? this.parts.local.open(repository, digest) : undefined;
    const look = this.parts.local.open(repository, digest);
    const found = look.then((blob) => blob !== undefined);
    this.#looks.set(key, found);
    const done = () => this.#looks.delete(key);
    found.then(done, done);
    return look;
  }

  async #storedSize(repository: ProxiedRepository, digest: Digest): Promise<number | undefined> {
    const stored = await this.parts.local.open(repository, digest);
    await stored?.close();
    return stored?.size;
  }

  /** Downloads, or follows the process that does and takes over from it, until the blob is there or has failed. */
  async #fetch(blob: GrowingBlob, pull: BlobPull, turn: Release | undefined, fate: Fate): Promise<void> {
    const { repository, digest } = pull;
    const { completion, leases, spool, limits, logger } = this.parts;
    try {
      this.#assertNotRefused(pull);
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
          signal: this.#closing.signal,
        };
        if ((await new FollowedDownload(options, claimed).run()) === 'stored') return blob.retire();
        logger.info({ digest, repository: repository.name }, 'a download that another process began is gone on with');
      }
    } catch (error) {
      // What our own end has cut says nothing about the upstream.
      if (!this.#closing.signal.aborted) completion.pullFailed(pull.settings, repository, digest, error);
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
      await lease.end(this.#closing.signal.aborted ? undefined : failure);
    }
  }

  /** Fills the file, and hands it to the host when it is verified and flushed; else leaves what may be gone on with. */
  async #download(blob: GrowingBlob, pull: BlobPull, lease: DownloadLease, fate: Fate): Promise<void> {
    const { settings, repository, digest, requestId } = pull;
    const { deadlines, failures, logger, quota, spool } = this.parts;
    let admission: Admission | undefined;
    const content = { organization: repository.organization, repository: repository.name, reference: digest };
    const file = await spool.begin(repository, digest, lease.holder).catch(asStorageFailure);
    await blob.attach(file, 0);
    // Before the upstream is asked, whose body should not wait for it.
    const freeBytes = await spool.freeBytes();
    const deadline = new Deadline(this.#closing.signal, deadlines.blobMs);
    // Waiting for a turn was part of it.
    let budgetMs = Math.max(0, fate.firstByteBy - performance.now());
    const transfer = new Transfer({
      digest,
      file,
      blob,
      idleMs: deadlines.idleMs,
      signal: deadline.signal,
      ask: async (from) => {
        const answer = await this.#open(pull, from, deadline.signal, budgetMs);
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
      this.#tellNotStored(pull, error);
      return false;
    } finally {
      await spool.discard(file).catch(() => undefined);
    }
  }

  /** Readers have what they need, and the quota has no room for more than that. Never rejects. */
  async #letGo(pull: BlobPull, file: SpoolFile): Promise<false> {
    this.#tellNotStored(pull, quotaFull());
    await this.parts.spool.discard(file).catch(() => undefined);
    return false;
  }

  /** Asks for the blob from a byte on; the answer's headers have to be there within the client budget, or what is left of it. */
  async #open(pull: BlobPull, from: number, whole: AbortSignal, leftMs: number): Promise<UpstreamBlob> {
    const { settings, repository, digest } = pull;
    const { deadlines, health, upstreams } = this.parts;
    const deadline = new Deadline(whole, leftMs);
    // That there was hardly any time is not the upstream's doing.
    const isFair = leftMs >= deadlines.clientBudgetMs * FAIR_PART;
    const answer = await this.#asked(
      pull,
      () => upstreams.registry(settings).getBlob(repository.name, digest, deadline.signal, from),
      isFair,
    ).catch((error: unknown) => {
      deadline.clear();
      throw error;
    });
    // The signal stays that of the body: of the two deadlines only that of the whole is left.
    deadline.cancel();
    answer.body.once('close', () => deadline.clear());
    await health.sent(answer.origin);
    return answer;
  }

  /** Asks the upstream, and tells the health of whichever origin failed: a content server's says nothing of the registry's. */
  async #asked<T>(pull: BlobPull, ask: () => Promise<T>, isFair = true): Promise<T> {
    const { emit, health, failures, refusals } = this.parts;
    const { settings, repository, digest, requestId } = pull;
    const content = { repository: repository.name, reference: digest };
    emit('upstream-request', { organization: repository.organization, ...content, purpose: 'blob' });
    try {
      return await ask();
    } catch (error) {
      // What our own end has cut says nothing about the upstream.
      if (!isUpstreamError(error) || this.#closing.signal.aborted) throw error;
      if (error.failureClass === 'timeout' && !isFair) throw error;
      refusals.note(refusalKey(pull), error);
      failures.tell(settings, content, error, requestId);
      await health.failed(health.scopeOf(settings), error, false);
      throw error;
    }
  }

  /** @throws UpstreamError that the upstream answered with a moment ago */
  #assertNotRefused(pull: Omit<BlobPull, 'requestId'>): void {
    const refused = this.parts.refusals.find(refusalKey(pull));
    if (refused !== undefined) throw refused;
  }

  #tellNotStored({ repository, digest, requestId }: BlobPull, error: unknown): void {
    const reason = isRegistryError(error) ? error.detail?.['reason'] : 'storage';
    this.parts.emit('not-stored', {
      organization: repository.organization,
      repository: repository.name,
      reference: digest,
      failureClass: reason === 'database' || reason === 'overload' || reason === 'quota' ? reason : 'storage',
      ...requestFacts(requestId),
    });
  }

  #tellPull(repository: ProxiedRepository, digest: Digest, result: 'hit' | 'miss'): void {
    if (!this.parts.isHeard('pull')) return;
    this.parts.emit('pull', {
      organization: repository.organization,
      repository: repository.name,
      reference: digest,
      kind: 'blob',
      result,
    });
  }
}

function refusalKey({ settings, repository, digest }: Omit<BlobPull, 'requestId'>): string {
  return `blob\n${contentKey(repository, digest)}\n${settings.credentialVersion}`;
}

function missHeaders({ isKept }: Fate): ExtraHeaders {
  return forwardedHeaders('uri-miss', isKept, isKept ? undefined : 'quota');
}

function asStorageFailure(cause: unknown): never {
  throw storageFailure(cause);
}
