import type { Clock, Digest, OpenBlob, ProxyCacheSettings } from '@breakwater/registry-core';
import type { ExtraHeaders } from '@breakwater/registry-http';
import type { IsHeard, RequestIdSource } from '../events.js';
import { forwardedHeaders, hitHeaders } from '../manifests/cache-headers.js';
import { contentKey } from '../manifests/hot-manifests.js';
import type { ProxiedRepository } from '../ports.js';
import { isUpstreamError } from '../upstream/upstream-error.js';
import { BlobDownloads, type BlobDownloadsParts, type Fate } from './blob-downloads.js';
import type { BlobPull } from './blob-pull.js';
import { FailoverBlob } from './failover-blob.js';
import type { OnDrop, SpoolUsage } from './spool.js';
import { isStorageFailure, noSpace, quotaFull, storageFailure } from './storage-failure.js';
import { UncachedPulls } from './uncached-pulls.js';
import { UpstreamBlobs, type UpstreamBlobsParts } from './upstream-blobs.js';

/** What pulls of blobs lean on. */
export interface PullThroughBlobsParts extends Omit<BlobDownloadsParts, 'upstream'>, UpstreamBlobsParts {
  readonly clock: Clock;
  readonly isHeard: IsHeard;
}

/** A blob for a client, and what its answer says about where it came from. Whoever has it closes the blob. */
export interface PulledBlob {
  readonly blob: OpenBlob;
  readonly headers: ExtraHeaders;
}

/** Pulls of blobs: from the host's store, else streamed from the upstream while they are stored. */
export class PullThroughBlobs {
  readonly #closing = new AbortController();
  readonly #upstream: UpstreamBlobs;
  readonly #uncached: UncachedPulls;
  readonly #downloads: BlobDownloads;
  /** Look-ups under way, and whether they find something. */
  readonly #looks = new Map<string, Promise<boolean>>();

  constructor(private readonly parts: PullThroughBlobsParts) {
    const { signal } = this.#closing;
    this.#upstream = new UpstreamBlobs(parts, signal);
    this.#uncached = new UncachedPulls({ ...parts, upstream: this.#upstream }, signal);
    this.#downloads = new BlobDownloads({ ...parts, upstream: this.#upstream }, signal);
  }

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
      const { blob: growing, fate } = this.#downloads.join(pull);
      const blob = await growing.reader();
      // A download that ended between the look into the store and now has left the blob there, or made room for another.
      if (blob === undefined) return undefined;
      this.#tellPull(pull.repository, pull.digest, 'miss');
      return {
        blob: new FailoverBlob(blob, (failure, isGone) => this.#uncached.goOn(pull, failure, isGone)),
        headers: missHeaders(fate),
      };
    } catch (error) {
      if (!isStorageFailure(error)) throw error;
      return this.#passThrough(pull, error);
    }
  }

  async #passThrough(pull: BlobPull, failure: unknown): Promise<PulledBlob> {
    const blob = await this.#uncached.begin(pull, failure);
    this.#tellPull(pull.repository, pull.digest, 'miss');
    return { blob, headers: forwardedHeaders('uri-miss', false) };
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
      this.#downloads.underWay(key) ??
      this.#downloads.join(pull, this.parts.slots.takeInBackground(repository.organization));
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
    const joined = this.#downloads.underWay(contentKey(repository, digest));
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
      const size = await this.#upstream.size({ settings, repository, digest, requestId });
      return size === undefined ? undefined : { size, headers: forwardedHeaders('uri-miss', false) };
    } catch (error) {
      throw storeFailure !== undefined && isUpstreamError(error) ? storeFailure : error;
    }
  }

  /** Whether it is stored, or on its way. */
  async isCached(repository: ProxiedRepository, digest: Digest): Promise<boolean> {
    const isOnItsWay = this.#downloads.underWay(contentKey(repository, digest)) !== undefined;
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
    await this.#downloads.ended();
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

function missHeaders({ isKept }: Fate): ExtraHeaders {
  return forwardedHeaders('uri-miss', isKept, isKept ? undefined : 'quota');
}
