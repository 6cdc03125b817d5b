import { EventEmitter } from 'node:events';
import type { BlobStore, Digest, ManifestStore, Repository, StoredManifest } from '@breakwater/registry-core';
import { PullThroughBlobs } from './blobs/pull-through-blobs.js';
import { Spool } from './blobs/spool.js';
import type { Emit, ProxyCacheEvents } from './events.js';
import { ExpirableTagsView } from './gc/expirable-tags.js';
import { UpstreamStateView } from './gc/upstream-state.js';
import { RecoveryChecks } from './health/recovery-checks.js';
import { UpstreamHealth } from './health/upstream-health.js';
import { lookUp } from './http/look-up.js';
import { type Middleware, proxyCacheMiddleware } from './http/middleware.js';
import { HotManifests } from './manifests/hot-manifests.js';
import { PullThroughManifests } from './manifests/pull-through-manifests.js';
import { TagChecks } from './manifests/tag-checks.js';
import { type ProxyCacheOptions, resolveOptions } from './options.js';
import { PeriodicTask } from './periodic-task.js';
import { CachedTagTable } from './postgres/cached-tag-table.js';
import { ContentRoots } from './postgres/content-roots.js';
import { DigestUseTable } from './postgres/digest-use-table.js';
import { UpstreamHealthTable } from './postgres/upstream-health-table.js';
import { CachedTags } from './tags/cached-tags.js';
import { DigestUses } from './tags/digest-uses.js';
import { UpstreamTags } from './tags/upstream-tags.js';
import { UpstreamClient } from './upstream/upstream-client.js';
import { UpstreamProbe } from './upstream-probe.js';

/** A pull-through proxy cache, ready to be mounted. */
export interface ProxyCache {
  /** Answers whatever is asked of proxy organizations; everything else goes to `next`. Mount it at the root. */
  middleware(): Middleware;
  /** The host's manifests, with a miss in a proxy organization filled from its upstream. */
  readonly manifests: ManifestStore;
  /** The host's blobs, with a miss in a proxy organization filled from its upstream. */
  readonly blobs: BlobStore;
  /** What garbage collection needs to know of cached tags. */
  readonly tags: ExpirableTagsView;
  /** What garbage collection needs to know of upstreams. */
  readonly upstreams: UpstreamStateView;
  /** What settings need to know of an upstream before they are saved. */
  readonly probe: UpstreamProbe;
  readonly events: EventEmitter<{ [Name in keyof ProxyCacheEvents]: [...ProxyCacheEvents[Name]] }>;
  /** Reads what is known of upstreams, and begins to write uses and to look for due checks. */
  start(): Promise<void>;
  /** Writes what is noted, ends downloads and checks, and closes every socket. */
  close(): Promise<void>;
}

/**
 * Builds a proxy cache over a host's stores. Nothing is opened or read before `start`.
 * @throws RangeError naming an option that cannot be
 */
export function createProxyCache(given: ProxyCacheOptions): ProxyCache {
  const options = resolveOptions(given);
  const { knex, settings, access, clock, logger, deadlines } = options;
  const events: ProxyCache['events'] = new EventEmitter();
  const emit = ((name, ...payload) => {
    events.emit(name as never, ...(payload as never));
  }) as Emit;

  const tagTable = new CachedTagTable(knex);
  const digestTable = new DigestUseTable(knex);
  const tags = new CachedTags(tagTable, clock, logger);
  const digestUses = new DigestUses(digestTable, clock);
  const health = new UpstreamHealth(new UpstreamHealthTable(knex), clock, emit, logger);
  const upstreams = new UpstreamClient(options);
  const hotManifests = new HotManifests(options.manifests);
  const checks = new TagChecks(upstreams, tags, hotManifests, health, deadlines, clock, emit, logger);
  const recovery = new RecoveryChecks(health, checks, tagTable, settings, logger);
  const spool = new Spool(options.spoolDirectory);
  const shared = { health, upstreams, deadlines, clock, emit, logger };
  const manifests = new PullThroughManifests({ ...shared, tags, digestUses, manifests: hotManifests, checks });
  const blobs = new PullThroughBlobs({ ...shared, local: options.blobs, spool });
  const upstreamTags = new UpstreamTags(upstreams, health, deadlines, emit);

  const tick = new PeriodicTask('following changes', options.tickMs, logger, async () => {
    if (await tags.followChanges()) hotManifests.clear();
    await recovery.tick();
  });
  const flush = new PeriodicTask('writing uses', options.flushMs, logger, async () => {
    await tags.flush();
    await digestUses.flush();
  });

  async function proxied(repository: Repository) {
    const found = await settings.find(repository.organization);
    return found === undefined ? undefined : { found, repository: { ...repository, upstream: found.upstream } };
  }

  return {
    middleware: () =>
      proxyCacheMiddleware({ settings, access, manifests, blobs, tags: upstreamTags, health, emit, logger }),
    manifests: {
      async get(repository: Repository, digest: Digest): Promise<StoredManifest | undefined> {
        const proxy = await proxied(repository);
        if (proxy === undefined) return options.manifests.get(repository, digest);
        const { found, repository: from } = proxy;
        const pulled = await lookUp(found, 'manifest', () => manifests.pull(found, from, { kind: 'digest', digest }));
        return pulled?.manifest;
      },
      put: (repository, manifest) => options.manifests.put(repository, manifest),
    },
    blobs: {
      async open(repository, digest) {
        const proxy = await proxied(repository);
        if (proxy === undefined) return options.blobs.open(repository, digest);
        const { found, repository: from } = proxy;
        return (await lookUp(found, 'blob', () => blobs.pull(found, from, digest)))?.blob;
      },
      import: (repository, digest, file) => options.blobs.import(repository, digest, file),
    },
    tags: new ExpirableTagsView(new ContentRoots(knex), tagTable, digestTable, tags, settings),
    upstreams: new UpstreamStateView(settings, health, checks, tagTable),
    probe: new UpstreamProbe(upstreams, deadlines),
    events,
    async start() {
      await spool.sweep(Date.now());
      await health.load();
      tick.start();
      flush.start();
    },
    async close() {
      await tick.stop();
      await blobs.close();
      await checks.settled();
      await flush.stop();
      await flush.runNow();
      upstreams.close();
      events.removeAllListeners();
    },
  };
}
