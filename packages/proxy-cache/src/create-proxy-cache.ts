import { EventEmitter } from 'node:events';
import {
  type BlobStore,
  ChangeNotices,
  type Digest,
  type ManifestStore,
  type Repository,
  type StoredManifest,
} from '@breakwater/registry-core';
import { type ApiOperation, ReadBuffers } from '@breakwater/registry-http';
import { DownloadLeases } from './blobs/download-leases.js';
import { DownloadSlots } from './blobs/download-slots.js';
import { EventLoopLag } from './blobs/event-loop-lag.js';
import { GatedSpoolDisk } from './blobs/gated-spool-disk.js';
import { PullThroughBlobs } from './blobs/pull-through-blobs.js';
import { QuotaGate } from './blobs/quota-gate.js';
import { type OnDrop, Spool, type SpoolUsage } from './blobs/spool.js';
import { CacheChecks } from './cache-view/cache-checks.js';
import { BackgroundFetches } from './completing/background-fetches.js';
import { fetchThrough } from './completing/fetch-through.js';
import { ImageCompletion } from './completing/image-completion.js';
import { ImageContents } from './completing/image-contents.js';
import { notingBlobs, notingManifests } from './completing/noting-stores.js';
import { PruneCompletion } from './completing/prune-completion.js';
import { ExpirableTagsView } from './gc/expirable-tags.js';
import { UpstreamStateView } from './gc/upstream-state.js';
import { organizationsBehind } from './health/organizations-behind.js';
import { RecoveryChecks } from './health/recovery-checks.js';
import { UpstreamHealth } from './health/upstream-health.js';
import { createApiRouter } from './http/api-router.js';
import { lookUp } from './http/look-up.js';
import { type Middleware, proxyCacheMiddleware } from './http/middleware.js';
import { proxyCacheOperations } from './http/operations.js';
import { RefusalBudget } from './http/refusal-budget.js';
import { CachedListings } from './listings/cached-listings.js';
import { ListingChecks } from './listings/listing-checks.js';
import { PullThroughListings } from './listings/pull-through-listings.js';
import { RecoveryListings } from './listings/recovery-listings.js';
import { HotManifests } from './manifests/hot-manifests.js';
import { ImageChoices } from './manifests/image-choices.js';
import { PullThroughManifests } from './manifests/pull-through-manifests.js';
import { TagChecks } from './manifests/tag-checks.js';
import { type ProxyCacheOptions, resolveOptions } from './options.js';
import { PeriodicTask } from './periodic-task.js';
import type { OrganizationDirectory } from './ports.js';
import { CachedListingTable } from './postgres/cached-listing-table.js';
import { CachedTagSearch } from './postgres/cached-tag-search.js';
import { CachedTagSummaries } from './postgres/cached-tag-summary.js';
import { CachedTagTable } from './postgres/cached-tag-table.js';
import { ContentRoots } from './postgres/content-roots.js';
import { DigestUseTable } from './postgres/digest-use-table.js';
import { DownloadLeaseTable } from './postgres/download-lease-table.js';
import { MissingContentTable, type MissingSummary } from './postgres/missing-content-table.js';
import { OutageMinuteTable } from './postgres/outage-minute-table.js';
import { PurgePlanTable } from './postgres/purge-plan-table.js';
import { ReleasedManifestTable } from './postgres/released-manifest-table.js';
import { SignatureLookTable } from './postgres/signature-look-table.js';
import { UpstreamHealthTable } from './postgres/upstream-health-table.js';
import { WarmTable } from './postgres/warm-table.js';
import { CachePurge } from './purge/cache-purge.js';
import { RememberedRefusals } from './remembered-refusals.js';
import { ImageSignatures } from './signatures/image-signatures.js';
import { SignatureLooks } from './signatures/signature-looks.js';
import { CachedTags } from './tags/cached-tags.js';
import { DigestUses } from './tags/digest-uses.js';
import { OutageCounts } from './timeline/outage-counts.js';
import { OutageTimeline } from './timeline/outage-timeline.js';
import { createEmit, type ProxyCacheEmitter } from './timeline/recording-emit.js';
import { cachedName } from './upstream/endpoint.js';
import { UpstreamClient } from './upstream/upstream-client.js';
import type { UpstreamError } from './upstream/upstream-error.js';
import { statusFacts, UpstreamFailures } from './upstream-failures.js';
import { UpstreamProbe } from './upstream-probe.js';
import { WarmImages } from './warm/warm-images.js';

/** A pull-through proxy cache, ready to be mounted. */
export interface ProxyCache {
  /** Answers whatever is asked of proxy organizations; everything else goes to `next`. Mount it at the root. */
  middleware(): Middleware;
  /**
   * The API that shows how the cache of an organization is, with its full paths, for `app.use()` at the root of an Express
   * 4 or 5 app. `organizations` tells a hosted organization from one that does not exist; without it both are 404 to
   * whoever may read their settings.
   */
  router(organizations?: OrganizationDirectory): Middleware;
  /** What the router serves, for whoever documents the API or serves it in a way of their own. */
  readonly operations: readonly ApiOperation[];
  /** The host's manifests, with a miss in a proxy organization filled from its upstream. */
  readonly manifests: ManifestStore;
  /** The host's blobs, with a miss in a proxy organization filled from its upstream. */
  readonly blobs: BlobStore;
  /** What garbage collection needs to know of cached tags. */
  readonly tags: ExpirableTagsView;
  /** The manifests that cached tags have left, for garbage collection to look at. */
  readonly released: ReleasedManifestTable;
  /** What garbage collection needs to know of upstreams. */
  readonly upstreams: UpstreamStateView;
  /** The files of downloads that were broken off. */
  readonly partialFiles: PartialFiles;
  /** How much cached images miss, of all organizations. */
  missing(): Promise<MissingSummary>;
  /** What settings need to know of an upstream before they are saved. */
  readonly probe: UpstreamProbe;
  /** What happened, typed by `ProxyCacheEvents`: shielded pulls, outages, recoveries and the like. */
  readonly events: ProxyCacheEmitter;
  /** Connections that were begun to be opened to upstreams so far: all that leave this package (S6). */
  readonly connectionsOpened: number;
  /** The longest that the event loop of this process was held up in the last second or two, in milliseconds. */
  readonly lagMs: number;
  /** Reads what is known of upstreams, and begins nothing: for a process that only collects garbage. */
  load(): Promise<void>;
  /** Reads what is known of upstreams, and begins to write uses and to look for due checks. */
  start(): Promise<void>;
  /**
   * Writes what is noted, ends downloads and checks, and closes every socket. `knex` is to be destroyed after it and not
   * beside it: what asks a pool that is being destroyed waits for `acquireConnectionTimeout`, a minute unless it is set.
   */
  close(): Promise<void>;
}

/** The files of downloads that were broken off: the next fetch of the blob goes on with them. */
export interface PartialFiles {
  /**
   * Removes those that nobody has written to since `before` (ms since the epoch) and whose download is not under way in any
   * process; with `dryRun` it counts them only.
   * `onDrop` is told of files before they are removed; when it rejects they stay. Safe at any time, and in several processes at once.
   * @throws RegistryError UNAVAILABLE with reason `database`, and the file system's error
   */
  dropStale(before: number, dryRun?: boolean, onDrop?: OnDrop): Promise<SpoolUsage>;
}

const TAG_CHANGES = 'cached-tags';
/** Connections of an origin beyond those that downloads take, so that no check waits behind those (P15). */
const SPARE_SOCKETS = 32;
const PRUNE_EVERY_MS = 10 * 60_000;
/** Twice the lease of what is stored (G15), for hosts whose garbage collection does not drop partial files sooner. */
const PARTIAL_FILES_KEPT_MS = 2 * 60 * 60_000;

/**
 * Builds a proxy cache over a host's stores. Nothing is opened or read before `start`.
 * @throws RangeError naming an option that cannot be
 */
export function createProxyCache(given: ProxyCacheOptions): ProxyCache {
  const options = resolveOptions(given);
  const { knex, settings, access, clock, logger, deadlines } = options;
  const events: ProxyCacheEmitter = new EventEmitter();
  const outageMinutes = new OutageMinuteTable(knex);
  const outageCounts = new OutageCounts(outageMinutes, clock, logger);
  const timeline = new OutageTimeline(outageMinutes, outageCounts, clock, logger);
  const { emit, isHeard } = createEmit(events, outageCounts, logger);

  const tagTable = new CachedTagTable(knex);
  const digestTable = new DigestUseTable(knex);
  let notices: ChangeNotices | undefined;
  const tags = new CachedTags(tagTable, clock, logger, () => notices?.announce());
  const digestUses = new DigestUses(digestTable, clock);
  const health = new UpstreamHealth(
    new UpstreamHealthTable(knex),
    clock,
    emit,
    logger,
    organizationsBehind(tagTable, settings),
  );
  const upstreams = new UpstreamClient({
    ...options,
    onTokenServer: (registry, tokenServer) => health.nameTokenServer(registry, tokenServer),
    onRateLimit: (of, told) => health.noteRateLimit(of, told),
    onRetry: (origin) => emit('upstream-retry', { origin }),
    maxSockets: options.downloads.maxDownloads + SPARE_SOCKETS,
  });
  const failures = new UpstreamFailures(emit, clock);
  const localBlobs = notingBlobs(options.blobs, () => completion);
  const hotManifests = new HotManifests(notingManifests(options.manifests, () => completion));
  const contents = new ImageContents(hotManifests, options.blobs);
  const missing = new MissingContentTable(knex);
  const completion = new ImageCompletion({
    contents,
    table: missing,
    health,
    clock,
    emit,
    logger,
    onNoted: () => background.wake(),
    signatures: { pulled: (...image) => signatureLooks.pulled(...image) },
  });
  const choices = new ImageChoices({ tags, completion, contents, health, clock, logger });
  const refusals = new RememberedRefusals(clock);
  const refusalBudget = new RefusalBudget(clock, options.refusals);
  const checks = new TagChecks(
    upstreams,
    tags,
    hotManifests,
    health,
    deadlines,
    clock,
    emit,
    failures,
    completion,
    refusals,
    logger,
  );
  const spool = new Spool(options.spoolDirectory, new GatedSpoolDisk(options.spoolDisk, options.spoolCalls));
  const lag = new EventLoopLag();
  const slots = new DownloadSlots(options.downloads, lag, (organization) => emit('download-shed', { organization }));
  const shared = { health, upstreams, deadlines, clock, emit, isHeard, failures, refusals, logger };
  const manifests = new PullThroughManifests({
    ...shared,
    tags,
    digestUses,
    manifests: hotManifests,
    checks,
    choices,
    completion,
  });
  const limits = options.downloads;
  const leases = new DownloadLeases(new DownloadLeaseTable(knex), clock, logger, limits.leaseMs);
  const quota = new QuotaGate(options.quota, logger);
  const blobs = new PullThroughBlobs({ ...shared, local: localBlobs, spool, slots, limits, leases, quota, completion });
  const warmTable = new WarmTable(knex);
  const fetch = fetchThrough(blobs, manifests);
  const background = new BackgroundFetches({
    table: missing,
    contents,
    fetch,
    settings,
    health,
    clock,
    emit,
    logger,
  });
  const warmImages = new WarmImages({
    table: warmTable,
    manifests,
    completion,
    signatures: { pulled: (...image) => signatureLooks.pulled(...image) },
    settings,
    health,
    clock,
    logger,
    onNoted: () => background.start(),
  });
  const buffers = new ReadBuffers();
  const listingTable = new CachedListingTable(knex);
  const cachedListings = new CachedListings(listingTable, settings, clock, logger);
  const listingChecks = new ListingChecks({ ...shared, cached: cachedListings });
  const listings = new PullThroughListings({ ...shared, cached: cachedListings, checks: listingChecks });
  const lookTable = new SignatureLookTable(knex);
  const signatures = new ImageSignatures({
    ...shared,
    tags,
    checks,
    listings: cachedListings,
    listingChecks,
    manifests: hotManifests,
    fetch,
    completion,
  });
  const signatureLooks = new SignatureLooks({ table: lookTable, signatures, settings, health, clock, logger });
  const recoveryListings = new RecoveryListings(listingTable, listingChecks);
  const recovery = new RecoveryChecks(health, checks, tagTable, settings, logger, recoveryListings, background);

  const follow = async () => {
    if (await tags.followChanges()) hotManifests.clear();
  };
  const tick = new PeriodicTask('following changes', options.tickMs, logger, async () => {
    await follow();
    recovery.start();
    background.tick();
    warmImages.tick();
    signatureLooks.tick();
  });
  const flush = new PeriodicTask('writing uses', options.flushMs, logger, async () => {
    await tags.flush();
    await digestUses.flush();
    await cachedListings.flush();
    await outageCounts.flush();
    await leases.forget();
  });
  const completionPrune = new PruneCompletion(tagTable, tags, missing, warmTable, lookTable, choices, settings, clock);
  const prune = new PeriodicTask(
    'removing old events, listings and partial files',
    PRUNE_EVERY_MS,
    logger,
    async () => {
      await timeline.prune();
      await completionPrune.run();
      await cachedListings.prune();
      await blobs.dropStale(clock.now() - PARTIAL_FILES_KEPT_MS);
    },
  );

  async function proxied(repository: Repository) {
    const found = await settings.find(repository.organization);
    if (found === undefined) return undefined;
    const { upstream } = found;
    return { found, repository: { ...repository, name: cachedName(upstream, repository.name), upstream } };
  }

  function tellPassed({ organization, name }: Repository, digest: Digest) {
    return (error: UpstreamError) => {
      const content = { organization, repository: name, reference: digest };
      emit('passed-error', { ...content, failureClass: error.failureClass, ...statusFacts(error) });
    };
  }

  const summaries = new CachedTagSummaries(knex);
  const roots = new ContentRoots(knex);
  const upstreamState = new UpstreamStateView(settings, health, checks, roots);
  const operations = proxyCacheOperations({
    settings,
    health,
    summaries,
    missing,
    timeline,
    quota,
    holds: options.holds,
    clock,
    tags,
    manifests: options.manifests,
    completion,
    search: new CachedTagSearch(knex),
    checks: new CacheChecks({ tags, checks, health, upstreams: upstreamState }),
    purge: new CachePurge({ plans: new PurgePlanTable(knex), tags, footprint: options.footprint, clock, logger }),
    audit: options.audit,
    warmTable,
    onWarm: () => warmImages.start(),
  });

  return {
    middleware: () =>
      proxyCacheMiddleware({
        settings,
        access,
        manifests,
        blobs,
        buffers,
        listings,
        completion,
        health,
        hops: upstreams.hops,
        refusals: refusalBudget,
        clock,
        emit,
        logger,
      }),
    router: (organizations = { exists: async () => true }) =>
      createApiRouter({ access, organizations, operations, logger }),
    operations,
    manifests: {
      async get(repository: Repository, digest: Digest): Promise<StoredManifest | undefined> {
        const proxy = await proxied(repository);
        if (proxy === undefined) return options.manifests.get(repository, digest);
        const { found, repository: from } = proxy;
        const pull = () => manifests.pull(found, from, { kind: 'digest', digest });
        const pulled = await lookUp(found, 'manifest', pull, tellPassed(from, digest));
        if (pulled !== undefined) completion.pulled(found, from, pulled.manifest);
        return pulled?.manifest;
      },
      put: (repository, manifest) => options.manifests.put(repository, manifest),
    },
    blobs: {
      async open(repository, digest) {
        const proxy = await proxied(repository);
        if (proxy === undefined) return options.blobs.open(repository, digest);
        const { found, repository: from } = proxy;
        const pull = () => blobs.pull(found, from, digest);
        return (await lookUp(found, 'blob', pull, tellPassed(from, digest)))?.blob;
      },
      import: (repository, digest, file) => options.blobs.import(repository, digest, file),
    },
    tags: new ExpirableTagsView(roots, tags, settings),
    released: new ReleasedManifestTable(knex),
    upstreams: upstreamState,
    partialFiles: { dropStale: (before, dryRun, onDrop) => blobs.dropStale(before, dryRun, onDrop) },
    missing: () => missing.total(),
    probe: new UpstreamProbe(upstreams, deadlines),
    events,
    get lagMs() {
      return lag.recentMs();
    },
    get connectionsOpened() {
      return upstreams.connectionsOpened;
    },
    load: () => health.load(),
    async start() {
      lag.start();
      await health.load();
      notices = new ChangeNotices({ messages: options.messages, channel: TAG_CHANGES, follow });
      tick.start();
      flush.start();
      prune.start();
      // Also for processes that never live as long as it takes to come round.
      void prune.runNow();
    },
    async close() {
      await notices?.close();
      await tick.stop();
      const recovered = recovery.close();
      const fetched = Promise.all([background.close(), warmImages.close(), signatureLooks.close()]);
      await prune.stop();
      await manifests.close();
      await blobs.close();
      await checks.close();
      await completion.close();
      await listingChecks.close();
      await recovered;
      await flush.stop();
      await flush.runNow();
      lag.stop();
      upstreams.close();
      await fetched;
      events.removeAllListeners();
    },
  };
}
