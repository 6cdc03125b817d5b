import type {
  Clock,
  ContentDisposal,
  ContentUsage,
  Logger,
  OrganizationName,
  Reconciliation,
  StaleFiles,
} from '@breakwater/registry-core';
import { assessCount, assessPlan } from './brake.js';
import { errorClass, errorMessage } from './errors.js';
import { leaseEnd } from './expiry-rule.js';
import { Holds } from './holds.js';
import type {
  ExpirableTag,
  ExpirableTags,
  LinkSweep,
  ManifestKey,
  QuotaTags,
  ReleasedManifests,
  UpstreamState,
} from './ports.js';
import {
  type Braked,
  ContentTally,
  type DisposeNumbers,
  type ExpireNumbers,
  type GcReport,
  LinkTally,
  type PlanNumbers,
  type ReconcileNumbers,
  type StepReport,
  type SweepNumbers,
  TagTally,
} from './report.js';
import type { RunRecord } from './run-journal.js';
import { StepClock } from './step-clock.js';
import { CountedPlan } from './steps/counted-plan.js';
import { disposeContent, previewDisposal } from './steps/dispose-content.js';
import { dropStaleFiles } from './steps/drop-stale-files.js';
import { expireOnRecord, expireTags } from './steps/expire-tags.js';
import { handOver, waitingToBeHandedOver } from './steps/hand-over.js';
import { judgeTags } from './steps/judge-tags.js';
import { findGoing, type PlanParts, planSweep } from './steps/plan-sweep.js';
import { reclaimForQuota, tagKey } from './steps/reclaim-for-quota.js';
import { reconcileStore } from './steps/reconcile-store.js';
import { LIST_PAGE, pages, type RunContext } from './steps/run-context.js';
import { sweepLinks } from './steps/sweep-links.js';
import { SweepPlan } from './steps/sweep-plan.js';

/** What a run works on. */
export interface RunParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tags: ExpirableTags;
  readonly released: ReleasedManifests | undefined;
  readonly upstreams: UpstreamState | undefined;
  readonly sweep: LinkSweep | undefined;
  readonly disposal: ContentDisposal | undefined;
  readonly usage: ContentUsage | undefined;
  readonly quotas: QuotaTags | undefined;
  readonly staleFiles: readonly StaleFiles[];
  readonly reconciliation: Reconciliation | undefined;
  readonly graceMs: number;
  readonly holdMs: number;
  /** The most links that are planned at once. */
  readonly maxPlannedLinks: number;
  /** Writes the uses that this process has noted and not yet written. */
  readonly writeUses: () => Promise<void>;
}

/** Which run it is. */
export interface RunIdentity {
  readonly runId: string;
  readonly dryRun: boolean;
  /** Does what the brake would stop. */
  readonly force: boolean;
  readonly organization: OrganizationName | undefined;
  readonly startedAt: number;
  readonly record: RunRecord;
  readonly signal: AbortSignal;
  readonly progress: (steps: readonly StepReport[]) => void;
}

/** Failures after which no later step may delete anything either. */
const FINAL_ERRORS: ReadonlySet<string> = new Set(['GC_STOPPED', 'GC_LEASE_LOST', 'COLLECTION_SUPERSEDED']);
/** A run that would expire more tags than this has its whole plan looked at by the brake before it begins. */
const FEW_TAGS = 1_000;
/** What one round sets free is found by the next one. */
const MAX_ROUNDS = 1_000;
/** Links that are counted take so much less room than those that are planned. */
const COUNTED_PER_PLANNED = 20;
/** No file is stale earlier than this after it was written to last, whatever the grace, ms. */
const LEAST_STALE_MS = 10 * 60_000;

/** The steps of one run in order. Never rejects: what fails is in the report. */
export function performRun(parts: RunParts, identity: RunIdentity): Promise<GcReport> {
  return new Run(parts, identity).perform();
}

/**
 * One run. A step that fails deletes nothing more and is reported; the later ones go on, because each of them relies on
 * what it reads itself and on nothing that an earlier one was to do.
 */
class Run {
  readonly #steps: StepClock;
  readonly #context: RunContext;
  readonly #holds: Holds;
  readonly #tags: TagTally;
  readonly #links: LinkTally;
  readonly #content = new ContentTally();
  readonly #freed: DisposeNumbers = { manifests: 0, blobs: 0, bytes: 0, batches: 0 };
  readonly #usedBefore: number;
  #brake: Braked | undefined;
  #ended = false;
  /** The whole was looked at, although it does not fit into one plan. */
  #isWholeKnown = false;
  /** What a dry run would take for a quota. */
  readonly #forQuota = new Set<string>();

  constructor(
    private readonly parts: RunParts,
    private readonly identity: RunIdentity,
  ) {
    const { clock, logger } = parts;
    const { runId, dryRun, startedAt, record } = identity;
    this.#steps = new StepClock(clock, (step, error) => this.#failed(step, error));
    this.#context = {
      run: { id: runId, ...(record.token === undefined ? {} : { token: record.token }) },
      plannedAt: startedAt,
      dryRun,
      organization: identity.organization,
      clock,
      record,
      signal: identity.signal,
      progress: () => identity.progress(this.#steps.reports()),
    };
    this.#holds = new Holds(parts.upstreams, parts.holdMs, clock, logger);
    this.#tags = new TagTally(dryRun);
    this.#links = new LinkTally(dryRun);
    this.#usedBefore = leaseEnd(startedAt, parts.graceMs);
  }

  async perform(): Promise<GcReport> {
    if (this.identity.dryRun) await this.#plan();
    else if (!(await this.#isBrakedAhead())) await this.#collect();
    return this.#report();
  }

  /** What a run would do. */
  async #plan(): Promise<void> {
    const { sweep, disposal } = this.parts;
    const context = this.#context;
    await this.#expireTags(context, this.#tags);
    await this.#reclaimForQuota();
    if (sweep !== undefined && !this.#ended) {
      let plan = new SweepPlan();
      await this.#steps.run('plan_sweep', noPlan(), async (numbers) => {
        plan = await this.#planWithoutEffects(sweep, this.#tags, this.#links, numbers);
      });
      for (const kind of ['manifest', 'blob'] as const) {
        await this.#steps.run(`sweep_${kind}s`, noLinks(), (numbers) =>
          sweepLinks(context, sweep, kind, plan, this.#links, numbers),
        );
      }
      if (disposal !== undefined && !this.#ended) {
        await this.#steps.run('dispose', this.#freed, (numbers) =>
          previewDisposal(context, disposal, plan, this.#content, numbers),
        );
        await this.#assess(plan, 0);
      }
    } else if (disposal !== undefined && !this.#ended) {
      await this.#steps.run('dispose', this.#freed, (numbers) =>
        previewDisposal(context, disposal, new SweepPlan(), this.#content, numbers),
      );
    }
    await this.#tidyUp();
  }

  async #collect(): Promise<void> {
    const { sweep, disposal } = this.parts;
    await this.#expireTags(this.#context, this.#tags);
    if (sweep !== undefined && !this.#ended) await this.#sweep(sweep);
    if (this.#brake === undefined) await this.#reclaimForQuota();
    if (disposal !== undefined && !this.#ended && this.#brake === undefined) {
      await this.#steps.run('dispose', this.#freed, (numbers) =>
        disposeContent(this.#context, disposal, this.#content, numbers),
      );
    }
    await this.#tidyUp();
  }

  #expireTags(context: RunContext, tally: TagTally): Promise<boolean> {
    return this.#steps.run('expire_tags', noTags(), (numbers) =>
      expireTags(context, this.parts.tags, this.#holds, tally, numbers),
    );
  }

  /** Takes the least recently pulled of what is over a quota, by the same path as what has expired. */
  async #reclaimForQuota(): Promise<void> {
    const { quotas, usage, tags, sweep } = this.parts;
    if (quotas === undefined || usage === undefined || this.#ended) return;
    const context = this.#context;
    const expire = async (chosen: readonly ExpirableTag[]) => {
      if (!context.dryRun) {
        return expireOnRecord(
          context,
          chosen.map((tag) => ({ tag, reason: 'quota' as const })),
          tags,
        );
      }
      for (const tag of chosen) this.#forQuota.add(tagKey(tag));
      return chosen.map(() => true);
    };
    await this.#steps.run('reclaim_for_quota', { organizations: 0, expired: 0, over: 0 }, (numbers) =>
      reclaimForQuota(
        context,
        {
          quotas,
          usage,
          holds: this.#holds,
          usedBefore: this.#usedBefore,
          expire,
          sweep: async () => (sweep === undefined ? undefined : this.#sweep(sweep)),
        },
        this.#tags,
        numbers,
      ),
    );
  }

  /** Plans and removes, round by round, until a round removes nothing. */
  async #sweep(sweep: LinkSweep): Promise<void> {
    const { released, tags } = this.parts;
    const context = this.#context;
    let blobs = 0;
    for (let round = 0; round < MAX_ROUNDS && !this.#ended; round += 1) {
      let plan: SweepPlan | undefined;
      const isPlanned = await this.#steps.run('plan_sweep', noPlan(), async (numbers) => {
        await this.parts.writeUses();
        if (released !== undefined) await handOver(context, released, sweep);
        plan = await planSweep(
          context,
          { ...this.#bounds(), sweep, tags, goes: async (of) => of.map(() => false), also: [] },
          this.#links,
          numbers,
        );
        await this.#assess(plan, blobs);
      });
      const planned = plan;
      if (!isPlanned || planned === undefined || planned.size === 0 || this.#brake !== undefined) return;
      let removed = 0;
      for (const kind of ['manifest', 'blob'] as const) {
        const isDone = await this.#steps.run(`sweep_${kind}s`, noLinks(), async (numbers) => {
          const before = numbers.removed;
          await sweepLinks(context, sweep, kind, planned, this.#links, numbers);
          removed += numbers.removed - before;
          if (kind === 'blob') blobs += numbers.removed - before;
        });
        if (!isDone) return;
      }
      if (removed === 0) return;
    }
  }

  /**
   * Whether the brake stops the run before it has done anything. Few tags need no look ahead: what they set free is
   * planned, and looked at, before the first link goes.
   */
  async #isBrakedAhead(): Promise<boolean> {
    const { sweep, disposal, usage, tags } = this.parts;
    if (this.identity.force || sweep === undefined || disposal === undefined || usage === undefined) return false;
    const context: RunContext = { ...this.#context, dryRun: true };
    const tally = new TagTally(false, true);
    try {
      const counted: ExpireNumbers = noTags();
      await expireTags(context, tags, this.#holds, tally, counted, FEW_TAGS + 1);
      if (counted.expired <= FEW_TAGS) return false;
      const whole = new TagTally(false, true);
      await expireTags(context, tags, this.#holds, whole, noTags());
      const plan = await this.#planWithoutEffects(sweep, whole, new LinkTally(false), noPlan());
      await this.#assess(plan, 0);
    } catch (error) {
      // The steps meet the same failure themselves, and report it.
      this.parts.logger.warn(
        { run_id: this.identity.runId, code: errorClass(error), error: errorMessage(error) },
        'gc could not look ahead',
      );
      return false;
    }
    return this.#brake !== undefined;
  }

  async #planWithoutEffects(
    sweep: LinkSweep,
    expired: TagTally,
    links: LinkTally,
    numbers: PlanNumbers,
  ): Promise<SweepPlan> {
    const context = this.#looking();
    const waiting = await this.#waiting();
    const parts = {
      ...this.#bounds(),
      sweep,
      tags: this.parts.tags,
      goes: this.#goes(),
      also: [waiting, expired.left],
    };
    const plan = await planSweep(context, parts, links, numbers);
    // Of tags, too, only so many are remembered.
    if (expired.left.length < expired.expiredTotal) plan.isCut = true;
    return plan;
  }

  /** How many blobs would go of everything, whatever does not fit into a plan included; undefined when it is not too much. */
  async #assessWhole(sweep: LinkSweep, usage: ContentUsage): Promise<Braked | undefined> {
    const context = this.#looking();
    const plan = new CountedPlan();
    const also = this.#everythingLeft(context);
    const most = COUNTED_PER_PLANNED * this.parts.maxPlannedLinks;
    const parts = { ...this.#bounds(), sweep, tags: this.parts.tags, goes: this.#goes(), also, most };
    const isAll = await findGoing(context, parts, plan, new LinkTally(false), noPlan());
    // What is more than can be counted is more than anybody has garbage.
    return isAll ? assessCount(usage, plan.blobs) : { blobs: plan.blobs, of: await usage.blobs() };
  }

  /** The manifests that tags have left, or are about to: page by page, because there may be any number of them. */
  async *#everythingLeft(context: RunContext): AsyncGenerator<readonly ManifestKey[], void, undefined> {
    yield await this.#waiting();
    const { organization, plannedAt: dueAt } = context;
    const read = (cursor: string | undefined) =>
      this.parts.tags.list({ organization, dueAt, cursor, limit: LIST_PAGE });
    for await (const { tags } of pages(context, read)) {
      const goes = await this.#goes()(tags);
      yield tags.filter((_, index) => goes[index] === true);
    }
  }

  async #waiting(): Promise<readonly ManifestKey[]> {
    const { released } = this.parts;
    return released === undefined ? [] : waitingToBeHandedOver(this.#looking(), released);
  }

  #looking(): RunContext {
    return { ...this.#context, dryRun: true };
  }

  #bounds(): Pick<PlanParts, 'usedBefore' | 'most'> {
    return { usedBefore: this.#usedBefore, most: this.parts.maxPlannedLinks };
  }

  #goes(): PlanParts['goes'] {
    return async (pointing) =>
      (await judgeTags(this.#looking(), this.#holds, pointing)).map(
        ({ action }, index) => action === 'expire' || this.#isForQuota(pointing[index]),
      );
  }

  #isForQuota(tag: ExpirableTag | undefined): boolean {
    return tag !== undefined && this.#forQuota.has(tagKey(tag));
  }

  async #assess(plan: SweepPlan, deleted: number): Promise<void> {
    const { disposal, usage, sweep } = this.parts;
    if (this.identity.force || disposal === undefined || usage === undefined || sweep === undefined) return;
    // What was counted as a whole goes in rounds, and none of them is to stop half way.
    if (this.#isWholeKnown) return;
    this.#brake = await assessPlan(this.#context, { disposal, usage }, plan, deleted);
    if (this.#brake === undefined && plan.isCut) {
      this.#brake = await this.#assessWhole(sweep, usage);
      this.#isWholeKnown = true;
    }
    if (this.#brake === undefined || this.identity.dryRun) return;
    this.parts.logger.error(
      { run_id: this.identity.runId, blobs: this.#brake.blobs, of: this.#brake.of },
      'gc would delete so much that it stopped; look at a dry run, and force the run if that is right',
    );
  }

  /** What is about the store itself, and so about no organization. */
  async #tidyUp(): Promise<void> {
    if (this.identity.organization !== undefined) return;
    await this.#dropStaleFiles();
    const { reconciliation } = this.parts;
    if (reconciliation === undefined || this.#ended) return;
    await this.#steps.run('reconcile', nothingReconciled(), (numbers) =>
      reconcileStore(this.#context, reconciliation, numbers),
    );
  }

  async #dropStaleFiles(): Promise<void> {
    const { staleFiles, graceMs, clock } = this.parts;
    if (staleFiles.length === 0 || this.#ended) return;
    const before = clock.now() - Math.max(graceMs, LEAST_STALE_MS);
    await this.#steps.run('drop_stale_files', { files: 0, bytes: 0, sorts: {} }, (numbers) =>
      dropStaleFiles(this.#context, staleFiles, before, numbers),
    );
  }

  #failed(step: StepReport['name'], error: unknown): void {
    const code = errorClass(error);
    if (FINAL_ERRORS.has(code)) this.#ended = true;
    const fields = { run_id: this.identity.runId, step, code, error: errorMessage(error) };
    if (code === 'GC_STOPPED') this.parts.logger.info(fields, 'a step of the gc run was stopped');
    else this.parts.logger.warn(fields, 'a step of the gc run failed and deletes nothing more');
  }

  #report(): GcReport {
    const { runId, dryRun, startedAt, organization } = this.identity;
    const steps = this.#steps.reports();
    const { manifests, blobs, bytes } = this.#freed;
    return {
      runId,
      dryRun,
      ...(organization === undefined ? {} : { organization }),
      outcome: outcomeOf(steps, dryRun ? undefined : this.#brake),
      ...(this.#brake === undefined ? {} : { brake: this.#brake }),
      startedAt,
      finishedAt: this.parts.clock.now(),
      steps,
      expired: this.#tags.expired,
      expiredTotal: this.#tags.expiredTotal,
      kept: this.#tags.kept,
      keptTags: this.#tags.keptTags,
      held: this.#tags.held,
      links: { removed: this.#links.removed, keptTotal: this.#links.keptTotal, kept: this.#links.kept },
      freed: { manifests, blobs, bytes, items: this.#content.items },
    };
  }
}

function outcomeOf(steps: readonly StepReport[], brake: Braked | undefined): GcReport['outcome'] {
  const errors = steps.flatMap(({ error }) => (error === undefined ? [] : [error]));
  if (errors.some((error) => error !== 'GC_STOPPED')) return 'failed';
  if (errors.length > 0) return 'stopped';
  return brake === undefined ? 'done' : 'braked';
}

function noTags(): ExpireNumbers {
  return { examined: 0, expired: 0, kept: 0 };
}

function noPlan(): PlanNumbers {
  return { examined: 0, leased: 0, needed: 0, manifests: 0, blobs: 0 };
}

function nothingReconciled(): ReconcileNumbers {
  return { due: false, finished: 0, strays: 0, braked: false, missing: 0, cleared: 0, dropped: 0 };
}

function noLinks(): SweepNumbers {
  return { removed: 0, kept: 0 };
}
