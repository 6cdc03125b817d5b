import type { EventEmitter } from 'node:events';
import type { Gc } from '@breakwater/gc';
import type { ProxyCache } from '@breakwater/proxy-cache';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { DamageList, StorageTasks } from '../storage/ports.js';
import type { StorageEvents } from '../storage/storage-events.js';

const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;
const DAY_S = 24 * HOUR_S;
/** From a check that was due just now to the longest periods that anybody sets. */
const AGES_S = [
  MINUTE_S,
  10 * MINUTE_S,
  HOUR_S,
  6 * HOUR_S,
  12 * HOUR_S,
  DAY_S,
  2 * DAY_S,
  3 * DAY_S,
  7 * DAY_S,
  14 * DAY_S,
  30 * DAY_S,
];

type Known = Awaited<ReturnType<ProxyCache['upstreams']['latest']>>[number];

/** Turns the packages' events into Prometheus metrics. The registry is this instance's own. */
export function createMetrics(proxyCache: ProxyCache, gc: Gc, storage: StorageState): Registry {
  const registry = new Registry();
  const counter = (name: string, help: string, labelNames: readonly string[]) =>
    new Counter({ name: `breakwater_${name}`, help, labelNames: [...labelNames], registers: [registry] });

  const pulls = counter('pulls_total', 'Pulls of proxied content that were answered with it.', ['type', 'result']);
  const shielded = counter('shielded_pulls_total', 'Pulls served without the upstream’s confirmation.', ['class']);
  const masked = counter('masked_errors_total', 'Failed checks that no client saw.', ['class']);
  const passed = counter('passed_errors_total', 'Failures of an upstream that a client saw.', ['class']);
  const age = new Histogram({
    name: 'breakwater_stale_age_seconds',
    help: 'Age of what shielded pulls were served.',
    buckets: AGES_S,
    registers: [registry],
  });
  const outages = counter('upstream_outages_total', 'Times that an upstream became known to be down.', ['class']);
  const recoveries = counter('upstream_recoveries_total', 'Times that an upstream was found to be back.', []);
  const rejected = counter('credentials_rejected_total', 'Times that an upstream rejected credentials.', []);
  const forbidden = counter('rate_limited_total', 'Times that an upstream which is up forbade to ask for a while.', []);
  const limited = counter('rate_limit_low_total', 'Times that a rate limit of an upstream was nearly spent.', []);
  const mismatches = counter('head_get_mismatch_total', 'Tags of which HEAD and GET of an upstream disagreed.', []);
  const requests = counter('upstream_requests_total', 'Requests for content sent to upstreams.', ['purpose']);
  const retries = counter(
    'upstream_retries_total',
    'Requests to upstreams that failed in passing and were repeated.',
    [],
  );
  const shed = counter('downloads_shed_total', 'Downloads refused to clients because too many were under way.', []);
  const prefetched = counter('prefetched_bytes_total', 'Bytes fetched behind pulls to make images complete.', ['type']);
  const prefetchLimited = counter(
    'prefetch_limited_total',
    'Images that were not completed because they are larger than the organization allows.',
    [],
  );
  const prefetchFailed = counter('prefetch_failed_total', 'Content that was tried in vain in the background.', [
    'class',
  ]);
  const integrity = counter('integrity_failures_total', 'Content of upstreams that did not match its digest.', []);
  const notStored = counter(
    'not_stored_total',
    'Blobs that clients got and that could not be kept; quota = there is no room for them.',
    ['class'],
  );
  const freed = counter('gc_freed_bytes_total', 'Bytes that garbage collection has freed.', []);
  const runs = counter('gc_runs_total', 'Runs of garbage collection; braked = it would have deleted too much.', [
    'outcome',
  ]);
  const keptTags = new Gauge({
    name: 'breakwater_gc_kept_tags',
    help: 'Tags that were due, or nearly so, and stayed in the last run of this process, by reason.',
    labelNames: ['reason'],
    registers: [registry],
  });
  // Of the cluster, whichever process collects. Without Postgres nobody knows, and every other metric is there all the same.
  const runGauge = (name: string, help: string, time: 'doneAt' | 'runningSince') =>
    new Gauge({
      name: `breakwater_gc_${name}_timestamp_seconds`,
      help,
      registers: [registry],
      async collect() {
        this.remove();
        const at = (await gc.runTimes().catch(() => undefined))?.[time];
        if (at !== undefined) this.set(at / 1000);
      },
    });
  runGauge('finished', 'When the last run of garbage collection that was done ended.', 'doneAt');
  runGauge('running_since', 'When the run of garbage collection that is in flight began.', 'runningSince');
  new Gauge({
    name: 'breakwater_upstream_down',
    help: '1 while an upstream is known to be down, whichever process has found out.',
    labelNames: ['origin'],
    registers: [registry],
    async collect() {
      this.reset();
      for (const origin of await proxyCache.upstreams.knownDown()) this.set({ origin }, 1);
    },
  });

  // Of the cluster. Without Postgres nobody knows, and every other metric is there all the same.
  const healthGauge = (
    name: string,
    help: string,
    labelNames: readonly string[],
    set: (of: Gauge, each: Known) => void,
  ) =>
    new Gauge({
      name: `breakwater_${name}`,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      async collect() {
        this.reset();
        for (const each of await proxyCache.upstreams.latest().catch(() => [])) set(this, each);
      },
    });
  healthGauge(
    'upstream_last_success_timestamp_seconds',
    'When an upstream last answered as a registry does.',
    ['origin'],
    (of, { origin, isOrigin, record: { lastSuccessAt } }) => {
      if (isOrigin && lastSuccessAt !== undefined) of.set({ origin }, lastSuccessAt / 1000);
    },
  );
  healthGauge(
    'rate_limit_remaining',
    'What an upstream told last of what is left of a rate limit; without organization it is that of anonymous pulls.',
    ['origin', 'organization'],
    (of, { origin, organization = '', record: { rateLimit } }) => {
      if (rateLimit !== undefined) of.set({ origin, organization }, rateLimit.remaining);
    },
  );
  new Gauge({
    name: 'breakwater_event_loop_lag_seconds',
    help: 'Longest that the event loop of this process was held up of late.',
    registers: [registry],
    collect() {
      this.set(proxyCache.lagMs / 1000);
    },
  });

  new Gauge({
    name: 'breakwater_missing_content',
    help: 'Blobs and manifests that cached images miss, by what becomes of them; counted up to 10000.',
    labelNames: ['state'],
    registers: [registry],
    async collect() {
      this.reset();
      // Without Postgres nobody knows, and every other metric is there all the same.
      const missing = await proxyCache.missing().catch(() => undefined);
      if (missing === undefined) return;
      const { queued, tooLarge, givenUp } = missing;
      this.set({ state: 'queued' }, queued);
      this.set({ state: 'too_large' }, tooLarge);
      this.set({ state: 'given_up' }, givenUp);
    },
  });

  // Looked up once: the labels of a plain hit would cost each pull more than its manifest does.
  const pullsBy = new Map<string, Counter.Internal>();
  proxyCache.events.on('pull', ({ kind, result }) => {
    let counted = pullsBy.get(`${kind} ${result}`);
    if (counted === undefined) {
      counted = pulls.labels({ type: kind, result });
      pullsBy.set(`${kind} ${result}`, counted);
    }
    counted.inc();
  });
  proxyCache.events.on('shielded-pull', ({ failureClass, ageMs }) => {
    shielded.inc({ class: failureClass });
    age.observe(ageMs / 1000);
  });
  proxyCache.events.on('masked-error', ({ failureClass }) => masked.inc({ class: failureClass }));
  proxyCache.events.on('passed-error', ({ failureClass }) => passed.inc({ class: failureClass }));
  proxyCache.events.on('upstream-request', ({ purpose }) => requests.inc({ purpose }));
  proxyCache.events.on('prefetched', ({ kind, bytes }) => prefetched.inc({ type: kind }, bytes));
  proxyCache.events.on('prefetch-limited', () => prefetchLimited.inc());
  proxyCache.events.on('prefetch-failed', ({ failureClass }) => prefetchFailed.inc({ class: failureClass }));
  proxyCache.events.on('integrity-failure', () => integrity.inc());
  proxyCache.events.on('not-stored', ({ failureClass }) => notStored.inc({ class: failureClass }));
  proxyCache.events.on('credentials-rejected', () => rejected.inc());
  proxyCache.events.on('rate-limited', () => forbidden.inc());
  proxyCache.events.on('rate-limit-low', () => limited.inc());
  proxyCache.events.on('upstream-retry', () => retries.inc());
  proxyCache.events.on('download-shed', () => shed.inc());
  proxyCache.events.on('head-get-mismatch', () => mismatches.inc());
  proxyCache.events.on('upstream-down', ({ failureClass }) => outages.inc({ class: failureClass }));
  proxyCache.events.on('upstream-recovered', () => recoveries.inc());
  gc.events.on('finished', ({ dryRun, outcome, freed: { bytes }, kept }) => {
    if (dryRun) return;
    freed.inc(bytes);
    runs.inc({ outcome });
    for (const [reason, count] of Object.entries(kept)) keptTags.set({ reason }, count);
  });
  addStorageMetrics(storage, counter, registry);
  return registry;
}

/** What is told of the store. */
export interface StorageState {
  readonly events: Pick<EventEmitter<StorageEvents>, 'on'>;
  readonly damages: Pick<DamageList, 'count'>;
  readonly files: { listQuarantine(): Promise<readonly { readonly size: number }[]> };
  readonly tasks: Pick<StorageTasks, 'state'>;
}

function addStorageMetrics(
  { events, damages, files, tasks }: StorageState,
  counter: (name: string, help: string, labelNames: readonly string[]) => Counter,
  registry: Registry,
): void {
  const damaged = counter('storage_damaged_total', 'Stored objects that were found damaged.', ['kind', 'damage']);
  const repaired = counter('storage_repaired_total', 'Damaged objects that are whole again.', ['kind']);
  const failures = counter('storage_failures_total', 'What the blob store could not do.', ['doing', 'code']);
  events.on('damaged', ({ kind, damage }) => damaged.inc({ kind, damage }));
  events.on('repaired', ({ kind }) => repaired.inc({ kind }));
  events.on('failed', ({ doing, code }) => failures.inc({ doing, code }));
  const scrubbed = counter('scrub_read_bytes_total', 'Bytes that scrubs have read and hashed.', []);
  events.on('scrub-read', ({ bytes }) => scrubbed.inc(bytes));
  // What cannot be asked now is left out, and does not keep the other metrics back.
  const gauge = (name: string, help: string, labelNames: readonly string[], set: (of: Gauge) => Promise<void>) =>
    new Gauge({
      name: `breakwater_${name}`,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      async collect() {
        this.reset();
        await set(this).catch(() => this.reset());
      },
    });
  gauge('storage_damaged', 'Stored objects that are damaged now.', ['kind'], async (of) => {
    for (const [kind, count] of Object.entries(await damages.count())) of.set({ kind }, count);
  });
  gauge('storage_quarantined_bytes', 'Bytes of damaged files in quarantine.', [], async (of) => {
    of.set((await files.listQuarantine()).reduce((sum, { size }) => sum + size, 0));
  });
  gauge('scrub_finished_timestamp_seconds', 'When the last scrub ended.', [], async (of) => {
    const { finishedAt } = (await tasks.state('scrub')) ?? {};
    if (finishedAt !== undefined) of.set(finishedAt / 1000);
  });
}
