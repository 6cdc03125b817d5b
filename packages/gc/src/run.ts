import { Brake } from './brake.js';
import { errorClass, errorMessage } from './errors.js';
import { leaseEnd } from './expiry-rule.js';
import { Holds } from './holds.js';
import { LookAhead } from './look-ahead.js';
import type { LinkSweep } from './ports.js';
import {
  type Braked,
  ContentTally,
  type GcReport,
  LinkTally,
  type SkipReason,
  type StepReport,
  TagTally,
} from './report.js';
import type { RunIdentity, RunParts, RunTools } from './run-parts.js';
import { StepClock } from './step-clock.js';
import { noLinks, noPlan, noQuotas, noTags, nothingFreed } from './step-numbers.js';
import { disposeContent, previewDisposal } from './steps/dispose-content.js';
import { expireOnRecord, expireTags } from './steps/expire-tags.js';
import { forgetReleased } from './steps/hand-over.js';
import { reclaimForQuota } from './steps/reclaim-for-quota.js';
import { sweepLinks } from './steps/sweep-links.js';
import type { SweepOutcome } from './steps/sweep-outcome.js';
import { SweepPlan } from './steps/sweep-plan.js';
import { sweepInRounds } from './sweeping.js';
import { tidyUp } from './tidying.js';

/** Failures after which no later step may delete anything either. */
const FINAL_ERRORS: ReadonlySet<string> = new Set(['GC_STOPPED', 'GC_LEASE_LOST', 'COLLECTION_SUPERSEDED']);
/** A run that would expire more tags than this, or any for a quota, has its whole plan looked at before it begins. */
const FEW_TAGS = 1_000;

/** The steps of one run in order. Never rejects: what fails is in the report. */
export function performRun(parts: RunParts, identity: RunIdentity): Promise<GcReport> {
  return new Run(parts, identity).perform();
}

/**
 * One run. A step that fails deletes nothing more and is reported. Later ones go on where they rely on what they read
 * themselves and on nothing that the failed one was to do: nothing is taken for a quota after a sweep that failed.
 */
class Run {
  readonly #tools: RunTools;
  readonly #tags: TagTally;
  readonly #links: LinkTally;
  readonly #content = new ContentTally();
  readonly #freed = nothingFreed();
  #ended = false;
  #skipped: SkipReason | undefined;

  constructor(
    private readonly parts: RunParts,
    private readonly identity: RunIdentity,
  ) {
    const { clock, logger, disposal, usage, sweep } = parts;
    const { runId, dryRun, force, startedAt, record } = identity;
    const steps = new StepClock(clock, (step, error) => this.#failed(step, error));
    const hasBrake = !force && disposal !== undefined && usage !== undefined && sweep !== undefined;
    this.#tools = {
      parts,
      steps,
      context: {
        run: { id: runId, ...(record.token === undefined ? {} : { token: record.token }) },
        plannedAt: startedAt,
        dryRun,
        organization: identity.organization,
        clock,
        record,
        signal: identity.signal,
        progress: () => identity.progress(steps.reports()),
      },
      holds: new Holds(parts.upstreams, parts.holdMs, clock, logger),
      brake: new Brake(hasBrake ? { disposal, usage } : undefined),
      usedBefore: leaseEnd(startedAt, parts.graceMs),
    };
    this.#tags = new TagTally(dryRun);
    this.#links = new LinkTally(dryRun);
  }

  async perform(): Promise<GcReport> {
    const { brake } = this.#tools;
    this.#skipped = this.identity.dryRun ? undefined : this.parts.reasonToSkip();
    if (this.#skipped !== undefined || !(await this.#isStoreThere())) return this.#report();
    if (this.identity.dryRun) await this.#plan();
    else if (!(await this.#isBrakedAhead())) await this.#collect();
    if (brake.found !== undefined && !this.identity.dryRun) this.#tellBraked(brake.found);
    return this.#report();
  }

  /** Everything would be missing from a store that is not mounted, and nothing could be had again (F113). */
  async #isStoreThere(): Promise<boolean> {
    const { store } = this.parts;
    return store === undefined || this.#tools.steps.run('check_store', {}, () => store.check());
  }

  /** What a run would do. */
  async #plan(): Promise<void> {
    const { steps, context, brake } = this.#tools;
    const { sweep, disposal, quotas, usage } = this.parts;
    const look = new LookAhead(this.#tools, this.#tags);
    await steps.run('expire_tags', noTags(), (numbers) => look.expireTags(numbers));
    if (quotas !== undefined && usage !== undefined && sweep !== undefined && !this.#ended) {
      await steps.run('reclaim_for_quota', noQuotas(), (numbers) => look.chooseForQuotas(quotas, usage, numbers));
    }
    let plan = new SweepPlan();
    if (sweep !== undefined && !this.#ended) {
      await steps.run('plan_sweep', noPlan(), async (numbers) => {
        plan = await look.plan(sweep, this.#links, numbers);
      });
      for (const kind of ['manifest', 'blob'] as const) {
        await steps.run(`sweep_${kind}s`, noLinks(), (numbers) =>
          sweepLinks(context, sweep, kind, plan, this.#links, numbers),
        );
      }
    }
    if (disposal !== undefined && !this.#ended) {
      await steps.run('dispose', this.#freed, async (numbers) => {
        await previewDisposal(context, disposal, plan, this.#content, numbers);
        if (sweep !== undefined) await brake.stops(context, plan, () => look.countAll(sweep));
      });
    }
    await this.#tidyUp();
  }

  async #collect(): Promise<void> {
    const { steps, context, holds } = this.#tools;
    const { sweep, disposal, tags, released } = this.parts;
    await steps.run('expire_tags', noTags(), (numbers) => expireTags(context, tags, holds, this.#tags, numbers));
    let swept: SweepOutcome = 'done';
    if (sweep !== undefined && !this.#ended) {
      const look = new LookAhead(this.#tools, new TagTally(false, true));
      swept = await sweepInRounds(this.#tools, sweep, look, this.#links);
      if (swept === 'done' && !this.#ended) await this.#reclaimForQuotas(sweep, look);
    }
    if (sweep === undefined && released !== undefined && !this.#ended) {
      // Nobody here looks at them: the host's own collector finds what no tag keeps.
      await steps.run('forget_released', { forgotten: 0 }, (numbers) => forgetReleased(context, released, numbers));
    }
    if (disposal !== undefined && !this.#ended && this.#tools.brake.found === undefined) {
      await steps.run('dispose', this.#freed, (numbers) => disposeContent(context, disposal, this.#content, numbers));
    }
    await this.#tidyUp();
  }

  /** Takes the least recently pulled of what is over a quota, by the same path as what has expired. */
  async #reclaimForQuotas(sweep: LinkSweep, look: LookAhead): Promise<void> {
    const { quotas, usage, tags } = this.parts;
    if (quotas === undefined || usage === undefined) return;
    const { steps, context, holds, usedBefore } = this.#tools;
    const parts = {
      quotas,
      usage,
      tags,
      sweep,
      holds,
      usedBefore,
      isPlanned: () => false,
      planned: () => [],
      take: (chosen: Parameters<typeof tags.expire>[0]) =>
        expireOnRecord(
          context,
          chosen.map((tag) => ({ tag, reason: 'quota' as const })),
          tags,
        ),
      free: () => sweepInRounds(this.#tools, sweep, look, this.#links),
    };
    await steps.run('reclaim_for_quota', noQuotas(), (numbers) => reclaimForQuota(context, parts, this.#tags, numbers));
  }

  /**
   * Whether the brake stops the run before it has done anything. Few tags that have expired need no look ahead: what they
   * set free is planned, and looked at, before the first link goes.
   */
  async #isBrakedAhead(): Promise<boolean> {
    const { sweep, usage, quotas, logger } = this.parts;
    const { brake, context } = this.#tools;
    if (!brake.isThere || sweep === undefined) return false;
    try {
      const few = new LookAhead(this.#tools, new TagTally(false, true));
      const counted = noTags();
      await few.expireTags(counted, FEW_TAGS + 1);
      const look = counted.expired <= FEW_TAGS ? few : await this.#lookAtAll();
      const forQuotas = noQuotas();
      if (quotas !== undefined && usage !== undefined) await look.chooseForQuotas(quotas, usage, forQuotas);
      if (counted.expired <= FEW_TAGS && forQuotas.expired === 0) return false;
      const plan = await look.plan(sweep, new LinkTally(false), noPlan());
      return await brake.stops(context, plan, () => look.countAll(sweep));
    } catch (error) {
      // The steps meet the same failure themselves, and report it.
      const fields = { run_id: this.identity.runId, code: errorClass(error), error: errorMessage(error) };
      logger.warn(fields, 'gc could not look ahead');
      return false;
    }
  }

  async #lookAtAll(): Promise<LookAhead> {
    const look = new LookAhead(this.#tools, new TagTally(false, true));
    await look.expireTags(noTags());
    return look;
  }

  /** What is about the store itself, and so about no organization. */
  async #tidyUp(): Promise<void> {
    if (this.identity.organization === undefined) await tidyUp(this.#tools, () => this.#ended);
  }

  #tellBraked({ blobs, of }: Braked): void {
    this.parts.logger.error(
      { run_id: this.identity.runId, blobs, of },
      'gc would delete so much that it stopped; look at a dry run, and force the run if that is right',
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
    const brake = this.#tools.brake.found;
    const steps = this.#tools.steps.reports();
    const { manifests, blobs, bytes } = this.#freed;
    return {
      runId,
      dryRun,
      ...(organization === undefined ? {} : { organization }),
      outcome: this.#skipped === undefined ? outcomeOf(steps, dryRun ? undefined : brake) : 'skipped',
      ...(this.#skipped === undefined ? {} : { skipped: this.#skipped }),
      ...(brake === undefined ? {} : { brake }),
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
