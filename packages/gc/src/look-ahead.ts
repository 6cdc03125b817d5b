import type { ContentUsage } from '@breakwater/registry-core';
import { judgeTag } from './expiry-rule.js';
import type { ExpirableTag, LinkSweep, ManifestKey, QuotaTags } from './ports.js';
import { type ExpireNumbers, LinkTally, type PlanNumbers, type QuotaNumbers, type TagTally } from './report.js';
import type { RunTools } from './run-parts.js';
import { noPlan } from './step-numbers.js';
import { CountedPlan } from './steps/counted-plan.js';
import { expireTags } from './steps/expire-tags.js';
import { waitingToBeHandedOver } from './steps/hand-over.js';
import { judgeTags } from './steps/judge-tags.js';
import { findGoing, type PlanParts, planSweep } from './steps/plan-sweep.js';
import { tagKey } from './steps/quota-victims.js';
import { reclaimForQuota } from './steps/reclaim-for-quota.js';
import { LIST_PAGE, pages, type RunContext } from './steps/run-context.js';
import type { SweepPlan } from './steps/sweep-plan.js';

/** Links that are counted take so much less room than those that are planned. */
const COUNTED_PER_PLANNED = 20;
/** The most tags that are chosen ahead for quotas. */
const MOST_FOR_QUOTA = 100_000;

/** What a run would do, found out without doing it: for a dry run, and for the brake. */
export class LookAhead {
  readonly #context: RunContext;
  /** Tags that would be taken for a quota. */
  readonly #forQuota = new Set<string>();

  /** @param tally of the tags that would go; it keeps the manifests that they leave */
  constructor(
    private readonly tools: RunTools,
    readonly tally: TagTally,
  ) {
    this.#context = { ...tools.context, dryRun: true };
  }

  /** @param enough ends once so many tags would go */
  async expireTags(numbers: ExpireNumbers, enough?: number): Promise<void> {
    const { parts, holds } = this.tools;
    await expireTags(this.#context, parts.tags, holds, this.tally, numbers, enough);
  }

  /** To be asked after `expireTags`: what has expired goes first. */
  async chooseForQuotas(quotas: QuotaTags, usage: ContentUsage, numbers: QuotaNumbers): Promise<void> {
    const { parts, holds, usedBefore } = this.tools;
    const { plannedAt } = this.#context;
    await reclaimForQuota(
      this.#context,
      {
        quotas,
        usage,
        tags: parts.tags,
        sweep: parts.sweep,
        holds,
        usedBefore,
        isPlanned: (tag) => judgeTag(tag, plannedAt).action === 'expire',
        planned: () => this.tally.left,
        take: async (tags) => {
          for (const tag of tags) this.#forQuota.add(tagKey(tag));
          return tags.map(() => true);
        },
        free: async () => (this.#forQuota.size < MOST_FOR_QUOTA ? 'done' : 'failed'),
      },
      this.tally,
      numbers,
    );
  }

  /** The sweep that would follow. */
  async plan(sweep: LinkSweep, links: LinkTally, numbers: PlanNumbers): Promise<SweepPlan> {
    const parts = {
      ...this.#planParts(sweep),
      also: [await this.#waiting(), this.tally.left],
      most: this.tools.parts.maxPlannedLinks,
    };
    const plan = await planSweep(this.#context, parts, links, numbers);
    // Of tags, too, only so many are remembered.
    if (this.tally.left.length < this.tally.expiredTotal) plan.isCut = true;
    return plan;
  }

  /** Everything that would go, whatever does not fit into a plan included. */
  async countAll(sweep: LinkSweep): Promise<{ readonly plan: CountedPlan; readonly isAll: boolean }> {
    const plan = new CountedPlan();
    const most = COUNTED_PER_PLANNED * this.tools.parts.maxPlannedLinks;
    const parts = { ...this.#planParts(sweep), also: this.#everythingLeft(), most };
    const isAll = await findGoing(this.#context, parts, plan, new LinkTally(false), noPlan());
    return { plan, isAll };
  }

  #planParts(sweep: LinkSweep): Pick<PlanParts, 'sweep' | 'tags' | 'goes' | 'usedBefore'> {
    return {
      sweep,
      tags: this.tools.parts.tags,
      usedBefore: this.tools.usedBefore,
      goes: (tags) => this.#goes(tags),
    };
  }

  /** Whether tags that are still there would go. */
  async #goes(tags: readonly ExpirableTag[]): Promise<readonly boolean[]> {
    const decisions = await judgeTags(this.#context, this.tools.holds, tags);
    return tags.map((tag, index) => decisions[index]?.action === 'expire' || this.#forQuota.has(tagKey(tag)));
  }

  /** The manifests that tags have left, or are about to: page by page, because there may be any number of them. */
  async *#everythingLeft(): AsyncGenerator<readonly ManifestKey[], void, undefined> {
    yield await this.#waiting();
    yield this.tally.left;
    const { organization, plannedAt: dueAt } = this.#context;
    const read = (cursor: string | undefined) =>
      this.tools.parts.tags.list({ organization, dueAt, cursor, limit: LIST_PAGE });
    for await (const { tags } of pages(this.#context, read)) {
      const goes = await this.#goes(tags);
      yield tags.filter((_, index) => goes[index] === true);
    }
  }

  async #waiting(): Promise<readonly ManifestKey[]> {
    const { released } = this.tools.parts;
    return released === undefined ? [] : waitingToBeHandedOver(this.#context, released);
  }
}
