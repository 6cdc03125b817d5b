import { rm } from 'node:fs/promises';
import {
  type BlobStore,
  type Digest,
  type Logger,
  type OpenBlob,
  type ProxyCacheSettings,
  RegistryError,
} from '@breakwater/registry-core';
import type { ExtraHeaders } from '@breakwater/registry-http';
import type { Emit, IsHeard, RequestIdSource } from '../events.js';
import type { UpstreamHealth } from '../health/upstream-health.js';
import { forwardedHeaders, hitHeaders } from '../manifests/cache-headers.js';
import { contentKey } from '../manifests/hot-manifests.js';
import type { ProxiedRepository } from '../ports.js';
import type { RememberedRefusals } from '../remembered-refusals.js';
import type { Deadlines } from '../upstream/deadlines.js';
import type { UpstreamClient } from '../upstream/upstream-client.js';
import { isUpstreamError } from '../upstream/upstream-error.js';
import type { UpstreamFailures } from '../upstream-failures.js';
import { Download } from './download.js';
import type { DownloadSlots } from './download-slots.js';
import type { Spool } from './spool.js';

/** What pulls of blobs lean on. */
export interface PullThroughBlobsParts {
  readonly local: BlobStore;
  readonly spool: Spool;
  readonly slots: DownloadSlots;
  readonly health: UpstreamHealth;
  readonly upstreams: UpstreamClient;
  readonly deadlines: Deadlines;
  readonly emit: Emit;
  readonly isHeard: IsHeard;
  readonly failures: UpstreamFailures;
  readonly refusals: RememberedRefusals;
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

/** Pulls of blobs: from the host's store, else streamed from the upstream while they are stored. */
export class PullThroughBlobs {
  readonly #downloads = new Map<string, Promise<Download | undefined>>();
  readonly #running = new Set<Promise<void>>();
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
    for (;;) {
      const stored = await this.parts.local.open(repository, digest);
      if (stored !== undefined) {
        this.#tellPull(repository, digest, 'hit');
        return { blob: stored, headers: hitHeaders() };
      }
      const download = await this.#join({ settings, repository, digest, requestId });
      const blob = await download?.reader();
      // A download that ended between the look into the store and now has left the blob there, or made room for another.
      if (blob === undefined) continue;
      this.#tellPull(repository, digest, 'miss');
      return { blob, headers: forwardedHeaders('uri-miss', true) };
    }
  }

  /** Size of a blob in bytes, without fetching it. `undefined` when the upstream does not say. */
  async size(
    settings: ProxyCacheSettings,
    repository: ProxiedRepository,
    digest: Digest,
    requestId?: RequestIdSource,
  ): Promise<{ readonly size: number; readonly headers: ExtraHeaders } | undefined> {
    // First what is on its way, then what is stored: the other way round, a download that ends in between would be missed.
    const download = await this.#downloads.get(contentKey(repository, digest));
    if (download !== undefined) return { size: await download.size(), headers: forwardedHeaders('uri-miss', true) };
    const stored = await this.#storedSize(repository, digest);
    if (stored !== undefined) return { size: stored, headers: hitHeaders() };
    this.#assertNotRefused({ settings, repository, digest });
    await this.parts.health.assertMayAsk(settings);
    const signal = AbortSignal.timeout(this.parts.deadlines.clientBudgetMs);
    const size = await this.#asked({ settings, repository, digest, requestId }, () =>
      this.parts.upstreams.registry(settings).headBlob(repository.name, digest, signal),
    );
    return size === undefined ? undefined : { size, headers: forwardedHeaders('uri-miss', false) };
  }

  /** Ends the downloads under way and waits until they are gone. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled([...this.#downloads.values()]);
    await Promise.allSettled([...this.#running]);
  }

  /**
   * One download per digest and repository: content is readable only where its own upstream gave it (S26). `undefined`
   * when another one has stored the blob meanwhile.
   */
  #join(pull: BlobPull): Promise<Download | undefined> {
    const key = contentKey(pull.repository, pull.digest);
    const joined = this.#downloads.get(key);
    if (joined !== undefined) return joined;
    const done = () => this.#downloads.delete(key);
    const starting = this.#start(pull, done);
    this.#downloads.set(key, starting);
    starting.then((download) => download ?? done(), done);
    return starting;
  }

  async #storedSize(repository: ProxiedRepository, digest: Digest): Promise<number | undefined> {
    const stored = await this.parts.local.open(repository, digest);
    await stored?.close();
    return stored?.size;
  }

  async #start(pull: BlobPull, done: () => void): Promise<Download | undefined> {
    const { settings, repository, digest } = pull;
    const { deadlines, health, upstreams, slots } = this.parts;
    this.#assertNotRefused(pull);
    await health.assertMayAsk(settings);
    if ((await this.#storedSize(repository, digest)) !== undefined) return undefined;
    const release = await slots.take(repository.organization);
    const deadline = new Deadline(this.#closing.signal, deadlines.clientBudgetMs);
    try {
      const { body, size, origin } = await this.#asked(pull, () =>
        upstreams.registry(settings).getBlob(repository.name, digest, deadline.signal),
      );
      deadline.extend(deadlines.blobMs);
      await health.sent(origin);
      const download = await this.#create(digest, size, deadline.signal).catch((error: unknown) => {
        body.destroy();
        throw storageFailure(error);
      });
      const running = this.#finish(download, pull, () => download.run(body), done).finally(() => {
        deadline.clear();
        release();
        this.#running.delete(running);
      });
      this.#running.add(running);
      return download;
    } catch (error) {
      deadline.clear();
      release();
      throw error;
    }
  }

  async #create(digest: Digest, expectedSize: number | undefined, signal: AbortSignal): Promise<Download> {
    const file = await this.parts.spool.fileFor(digest);
    return Download.create({ digest, file, expectedSize, idleMs: this.parts.deadlines.idleMs, signal });
  }

  /** Runs the download to its end and hands the verified file to the host. Never rejects. */
  async #finish(
    download: Download,
    { settings, repository, digest, requestId }: BlobPull,
    run: () => Promise<void>,
    done: () => void,
  ): Promise<void> {
    const { local, failures, logger } = this.parts;
    const content = { organization: repository.organization, repository: repository.name, reference: digest };
    try {
      await run();
      await local.import(repository, digest, download.file);
    } catch (error) {
      if (isUpstreamError(error)) failures.tell(settings, content, error, requestId);
      logger.warn({ err: error, ...content }, 'a blob could not be fetched and stored; the next pull starts anew');
    } finally {
      done();
      await rm(download.file, { force: true }).catch(() => undefined);
      await download.release().catch(() => undefined);
    }
  }

  /** Asks the upstream, and tells the health of whichever origin failed: a content server's says nothing of the registry's. */
  async #asked<T>(pull: BlobPull, ask: () => Promise<T>): Promise<T> {
    const { emit, health, failures, refusals } = this.parts;
    const { settings, repository, digest, requestId } = pull;
    const content = { repository: repository.name, reference: digest };
    emit('upstream-request', { organization: repository.organization, ...content, purpose: 'blob' });
    try {
      return await ask();
    } catch (error) {
      if (!isUpstreamError(error)) throw error;
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

/** A deadline that is extended once the headers are there, and ends with the cache. */
class Deadline {
  readonly #controller = new AbortController();
  readonly #abort = () => this.#controller.abort();
  #timer: NodeJS.Timeout;

  constructor(
    private readonly parent: AbortSignal,
    ms: number,
  ) {
    this.#timer = setTimeout(this.#abort, ms);
    if (parent.aborted) this.#abort();
    else parent.addEventListener('abort', this.#abort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  extend(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#abort, ms);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.parent.removeEventListener('abort', this.#abort);
  }
}

function storageFailure(cause: unknown): RegistryError {
  return new RegistryError('UNAVAILABLE', 'the registry cannot store the blob', {
    detail: { reason: 'storage' },
    reasonPhrase: 'Registry Storage Failed',
    cause,
  });
}
