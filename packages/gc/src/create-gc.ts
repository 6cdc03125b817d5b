import { EventEmitter } from 'node:events';
import { hostname } from 'node:os';
import type {
  Access,
  Clock,
  ContentDisposal,
  ContentUsage,
  ContentUse,
  Logger,
  OrganizationName,
  Reconciliation,
  StaleFiles,
} from '@breakwater/registry-core';
import type { ApiHandler, ApiOperation } from '@breakwater/registry-http';
import type { Knex } from 'knex';
import { Collector, type RunOptions } from './collector.js';
import { errorClass, errorMessage, GcError } from './errors.js';
import type { GcEvents } from './events.js';
import { explain } from './explain/explain.js';
import type { Explanation } from './explain/explanation.js';
import { parseSubject } from './explain/subject.js';
import { currentHold, type Hold } from './holds.js';
import { gcOperations } from './http/gc-operations.js';
import { gcRouter } from './http/gc-router.js';
import { readPeriods } from './options.js';
import type {
  ExpirableTags,
  LinkSweep,
  NamedTags,
  QuotaTags,
  ReleasedManifests,
  StoredContent,
  StoreReadiness,
  UpstreamState,
} from './ports.js';
import { postgresAudit } from './postgres/postgres-audit.js';
import { postgresJournal } from './postgres/postgres-journal.js';
import { pruneRecords } from './postgres/prune-records.js';
import { recordedRuns } from './postgres/recorded-runs.js';
import { type RunTimes, runTimes } from './postgres/run-times.js';
import { QuotaRoom } from './quota-room.js';
import type { GcReport, SkipReason } from './report.js';
import { blankJournal, type DeletionAudit } from './run-journal.js';
import { Schedule } from './schedule.js';
import { type GcMiddleware, servedMiddleware } from './served-middleware.js';
import { MAX_PLANNED } from './steps/plan-sweep.js';
import { UseNotes } from './use-notes.js';

/** What a collector is built from. */
export interface GcOptions {
  /**
   * Where runs and deletions are recorded, and what keeps collectors of one cluster apart. Without it nothing is
   * recorded, and the host sees to it that one process collects. Migrate with `gcMigrations()` first.
   */
  readonly knex?: Knex | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Who may ask for a run over HTTP. */
  readonly access: Access;
  readonly tags: ExpirableTags;
  /** The manifests that cached tags have left; without it only what the host itself reports is swept. */
  readonly released?: ReleasedManifests | undefined;
  /** Without it nothing is held back for an outage. */
  readonly upstreams?: UpstreamState | undefined;
  /** Without it links stay: for hosts whose own collector removes them. */
  readonly sweep?: LinkSweep | undefined;
  /** Finds tags for explanations; without it none is found. */
  readonly named?: NamedTags | undefined;
  /** Finds content for explanations; needs `sweep`. Without it only tags are explained. */
  readonly stored?: StoredContent | undefined;
  /** Asked before a run does anything, dry runs too: without it nobody looks whether the store is mounted. */
  readonly store?: StoreReadiness | undefined;
  /** Without it the store is left alone. */
  readonly disposal?: ContentDisposal | undefined;
  /** Whose quotas are kept; needs `usage`, and `sweep` to free what is over. Without it there are none. */
  readonly quotas?: QuotaTags | undefined;
  /** How much there is; without it there is no brake. */
  readonly usage?: ContentUsage | undefined;
  /** Uploads and partial downloads that somebody may have given up. */
  readonly staleFiles?: readonly StaleFiles[] | undefined;
  /** Brings store and database together; without it that is left to the host. */
  readonly reconciliation?: Reconciliation | undefined;
  /**
   * Asked before each run that deletes: a reason leaves it out, and the report says so. Default never. What the collector
   * decides by is clocks, and uses written in time; whoever knows that these cannot be trusted just now tells it here.
   */
  readonly reasonToSkip?: (() => SkipReason | undefined) | undefined;
  /** Where leases are written; without it the middleware does nothing. */
  readonly use?: ContentUse | undefined;
  /** The most links that are planned at once, and so held in memory. Default 100,000, about 50 MiB. */
  readonly maxPlannedLinks?: number | undefined;
  /** How long a manifest that was pulled stays pullable with all it needs, ms. Default 1 hour; 0 = not at all. */
  readonly graceMs?: number | undefined;
  /** How long an outage keeps the tags of its upstream, ms. Default 30 days; 0 = not at all. */
  readonly holdMs?: number | undefined;
  /** The wait between two runs, ms. Default 15 minutes. */
  readonly intervalMs?: number | undefined;
}

/** The collector as a host mounts it. */
export interface Gc {
  /** Mount it before whatever answers pulls: it renews the lease of what is served. */
  middleware(): GcMiddleware;
  /**
   * One run now. Resolves to its report, also when steps of it failed (`outcome`).
   * @throws GcError GC_RUNNING, GC_STOPPED, GC_UNAVAILABLE: nothing was done
   */
  runOnce(options?: RunOptions): Promise<GcReport>;
  /**
   * Why a cached tag or content would go or stay if a run began now, quotas aside. Deletes nothing.
   * @param reference `<digest>`, `<organization>/<repository>:<tag>` or `<organization>/<repository>@<digest>`
   * @throws GcError GC_NO_REFERENCE, GC_UNKNOWN_REFERENCE, and what the ports throw
   */
  explain(reference: string): Promise<Explanation>;
  /** Room in the quotas of organizations, for whoever stores what it pulls. Everything fits without the port `usage`. */
  readonly quota: QuotaRoom;
  /**
   * The hold on what an organization has of an upstream that is down; `undefined` when there is none. Asks no upstream.
   * @throws what the port `upstreams` throws
   */
  hold(organization: OrganizationName, upstream: string): Promise<Hold | undefined>;
  /** When the cluster last collected. Empty without `knex`. @throws the database's error */
  runTimes(): Promise<RunTimes>;
  /** Where whoever deletes something outside of a run puts it on record. Without `knex` nothing is recorded. */
  readonly audit: DeletionAudit;
  /**
   * Forgets runs and deletions on record from before a time (ms since the epoch), at most `limit` rows; resolves to how
   * many. Without it the record only grows. @throws the database's error
   */
  prune(before: number, limit: number): Promise<number>;
  /** Runs on the interval from now on. */
  start(): void;
  /** No run begins after this. Resolves when the one in flight has reached a safe point and all uses are written. */
  stop(): Promise<void>;
  /** `POST /api/v1/gc/run` (`?dry_run=true`), `GET /api/v1/gc/runs`, `GET /api/v1/gc/explain`, for administrators. */
  router(): ApiHandler;
  /** What the router serves, for whoever documents the API or serves it in a way of their own. */
  readonly operations: readonly ApiOperation[];
  readonly events: EventEmitter<GcEvents>;
}

/**
 * Builds a collector. It does nothing before it is told to.
 * @throws GcError GC_OPTIONS_INVALID
 */
export function createGc(options: GcOptions): Gc {
  const { knex, clock, logger, access, use } = options;
  const { graceMs, holdMs, intervalMs } = readPeriods(options);
  const events = new EventEmitter<GcEvents>();
  // Without a grace there is no lease that could be renewed.
  const notes = use === undefined || graceMs === 0 ? undefined : new UseNotes({ use, clock, graceMs, logger });
  const collector = new Collector(
    {
      clock,
      logger,
      tags: options.tags,
      released: options.released,
      upstreams: options.upstreams,
      sweep: options.sweep,
      store: options.store,
      disposal: options.disposal,
      usage: options.usage,
      quotas: options.quotas,
      staleFiles: options.staleFiles ?? [],
      reconciliation: options.reconciliation,
      graceMs,
      holdMs,
      maxPlannedLinks: options.maxPlannedLinks ?? MAX_PLANNED,
      reasonToSkip: options.reasonToSkip ?? (() => undefined),
      writeUses: async () => notes?.flush(),
    },
    knex === undefined ? blankJournal : postgresJournal(knex, clock, `${hostname()}/${process.pid}`),
    events,
  );
  const schedule = new Schedule(intervalMs, async () => {
    try {
      await collector.run();
    } catch (error) {
      const code = errorClass(error);
      if (code === 'GC_RUNNING' || code === 'GC_STOPPED') return;
      logger.warn({ code, error: errorMessage(error) }, 'gc could not run and tries again on the interval');
      events.emit('rejected', error);
    }
  });
  const runOnce = (runOptions?: RunOptions) => collector.run(runOptions);
  const { quotas, usage, upstreams, tags, sweep, named, stored } = options;
  const explainOne = async (reference: string) => {
    const subject = parseSubject(reference);
    if (subject === undefined) throw new GcError('GC_NO_REFERENCE', reference);
    return explain({ clock, logger, tags, named, stored, upstreams, sweep, graceMs, holdMs }, subject);
  };
  const operations = gcOperations(
    runOnce,
    async (before, limit) => (knex === undefined ? [] : recordedRuns(knex, before, limit)),
    explainOne,
  );
  return {
    middleware: () => servedMiddleware(notes),
    runOnce,
    explain: explainOne,
    hold: (organization, upstream) => currentHold({ upstreams, holdMs, clock }, organization, upstream),
    runTimes: async () => (knex === undefined ? {} : runTimes(knex)),
    quota: new QuotaRoom({ quotas, usage, tags, sweep, upstreams, clock, graceMs, holdMs }),
    audit: knex === undefined ? { intend: async () => ({ settle: async () => {} }) } : postgresAudit(knex, clock),
    prune: async (before, limit) => (knex === undefined ? 0 : pruneRecords(knex, before, limit)),
    start: () => schedule.start(),
    async stop() {
      schedule.stop();
      await collector.stop();
      await notes?.close();
    },
    router: () => gcRouter({ access, operations, logger }),
    operations,
    events,
  };
}
