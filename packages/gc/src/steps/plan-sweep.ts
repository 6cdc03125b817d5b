import type { InspectedLink, LinkKey } from '@breakwater/registry-core';
import { formatReference } from '@breakwater/registry-core';
import type { ExpirableTag, ExpirableTags, LinkSweep, ManifestKey } from '../ports.js';
import type { LinkTally, PlanNumbers } from '../report.js';
import { batches, LIST_PAGE, oneEach, pages, type RunContext, safePoint } from './run-context.js';
import { type LinkPlan, linkKey, type PlannedLink, SweepPlan } from './sweep-plan.js';

/** The most links that are planned at once, so that a plan fits into memory; what is left is planned after it. */
export const MAX_PLANNED = 100_000;

/** How many of the things that keep a link are looked at first; more only when all of these go. */
const FIRST_LOOK = 20;

/** What a sweep is planned with. */
export interface PlanParts {
  readonly sweep: Pick<LinkSweep, 'inspect' | 'candidates' | 'settle'>;
  readonly tags: ExpirableTags;
  /** Of tags that still point to a manifest, which go by the same plan. One boolean each. */
  readonly goes: (tags: readonly ExpirableTag[]) => Promise<readonly boolean[]>;
  /** Manifests to look at beside the candidates. */
  readonly also: AsyncIterable<readonly ManifestKey[]> | Iterable<readonly ManifestKey[]>;
  /** The most links that are planned. */
  readonly most: number;
  /** Links used at this time or later are under lease, ms since the epoch. */
  readonly usedBefore: number;
}

/**
 * Finds the links that nobody needs: beginning with those that may have lost what kept them, and going on with what those
 * kept themselves. Removes nothing, and says the same with and without a dry run.
 */
export async function planSweep(
  context: RunContext,
  parts: PlanParts,
  tally: LinkTally,
  numbers: PlanNumbers,
): Promise<SweepPlan> {
  const plan = new SweepPlan();
  plan.isCut = !(await findGoing(context, parts, plan, tally, numbers));
  return plan;
}

/** Puts the links that nobody needs into a plan. Resolves to whether all of them fit into it. */
export async function findGoing(
  context: RunContext,
  parts: PlanParts,
  plan: LinkPlan,
  tally: Pick<LinkTally, 'keep'>,
  numbers: PlanNumbers,
): Promise<boolean> {
  const planner = new SweepPlanner(context, parts, plan, tally, numbers);
  for await (const manifests of parts.also) {
    for (const batch of batches(manifests, LIST_PAGE)) {
      if (plan.size >= parts.most) return false;
      await safePoint(context);
      await planner.look(batch.map(({ repository, digest }) => ({ repository, kind: 'manifest', digest, ids: [] })));
    }
  }
  const { usedBefore } = parts;
  const { organization } = context;
  const read = (cursor: string | undefined) =>
    parts.sweep.candidates({ usedBefore, organization, cursor, limit: LIST_PAGE });
  for await (const page of pages(context, read)) {
    const distinct = new Map<string, LookedLink>();
    for (const { id, repository, kind, digest } of page.candidates) {
      const link = { repository, kind, digest };
      const ids = [...(distinct.get(linkKey(link))?.ids ?? []), id];
      distinct.set(linkKey(link), { ...link, ids });
    }
    await planner.look([...distinct.values()]);
    if (plan.size >= parts.most && page.next !== undefined) return false;
  }
  return true;
}

interface LookedLink extends LinkKey {
  /** The candidates that led to it. */
  readonly ids: readonly string[];
}

class SweepPlanner {
  constructor(
    private readonly context: RunContext,
    private readonly parts: PlanParts,
    private readonly plan: LinkPlan,
    private readonly tally: Pick<LinkTally, 'keep'>,
    private readonly numbers: PlanNumbers,
  ) {}

  /** Looks at links, and then at what those keep that are to go. */
  async look(links: readonly LookedLink[]): Promise<void> {
    let next: readonly LookedLink[] = links.filter((link) => this.plan.find(link) === undefined);
    while (next.length > 0) {
      const found = new Map<string, LookedLink>();
      for (const batch of batches(next, LIST_PAGE)) {
        await safePoint(this.context);
        for (const link of await this.#lookOnce(batch)) found.set(linkKey(link), link);
      }
      next = [...found.values()];
    }
  }

  async #lookOnce(links: readonly LookedLink[]): Promise<readonly LookedLink[]> {
    const settled: { id: string; usedAt?: number }[] = [];
    const open: { readonly looked: LookedLink; readonly facts: InspectedLink }[] = [];
    const facts = await this.#inspect(links);
    for (const [index, looked] of links.entries()) {
      this.numbers.examined += 1;
      const found = facts[index];
      if (found === undefined) {
        settled.push(...looked.ids.map((id) => ({ id })));
      } else if (found.usedAt >= this.parts.usedBefore) {
        this.numbers.leased += 1;
        this.tally.keep(found, 'leased', []);
        settled.push(...looked.ids.map((id) => ({ id, usedAt: found.usedAt })));
      } else {
        const keepers = [
          ...found.tags.map(String),
          ...found.keptBy.filter((digest) => !this.#isPlanned(found, digest)),
        ];
        if (keepers.length === 0) open.push({ looked, facts: found });
        else {
          this.numbers.needed += 1;
          this.tally.keep(found, found.tags.length > 0 ? 'tagged' : 'needed', keepers);
          settled.push(...looked.ids.map((id) => ({ id })));
        }
      }
    }
    const keepers = await this.#tagsKeeping(open.map((each) => each.facts));
    const kept: LookedLink[] = [];
    for (const [index, { looked, facts: found }] of open.entries()) {
      const tags = keepers[index] ?? [];
      if (tags.length > 0) {
        this.numbers.needed += 1;
        this.tally.keep(found, 'tagged', tags);
        settled.push(...looked.ids.map((id) => ({ id })));
        continue;
      }
      this.plan.add(this.#planned(looked, found));
      this.numbers[found.kind === 'manifest' ? 'manifests' : 'blobs'] += 1;
      kept.push(...found.keeps.map((each) => ({ repository: found.repository, ...each, ids: [] })));
    }
    // A dry run leaves the candidates to the run. What is planned is settled once it is gone.
    if (!this.context.dryRun && settled.length > 0) await this.parts.sweep.settle?.(settled);
    return kept.filter((link) => this.plan.find(link) === undefined);
  }

  /** What the host knows of links, with enough of what keeps them to tell whether all of that goes. */
  async #inspect(links: readonly LookedLink[]): Promise<readonly (InspectedLink | undefined)[]> {
    const facts = [...oneEach(await this.parts.sweep.inspect(links, FIRST_LOOK), links, 'inspect')];
    for (let most = FIRST_LOOK * 10; ; most *= 10) {
      const unclear = facts.flatMap((found, index) => (found !== undefined && this.#isUnclear(found) ? [index] : []));
      if (unclear.length === 0) return facts;
      await safePoint(this.context);
      const asked = unclear.flatMap((index) => links[index] ?? []);
      const again = oneEach(await this.parts.sweep.inspect(asked, most), asked, 'inspect');
      for (const [at, index] of unclear.entries()) facts[index] = again[at];
    }
  }

  #isUnclear(found: InspectedLink): boolean {
    return found.more && found.tags.length === 0 && found.keptBy.every((digest) => this.#isPlanned(found, digest));
  }

  #isPlanned({ repository }: InspectedLink, digest: InspectedLink['digest']): boolean {
    return this.plan.find({ repository, kind: 'manifest', digest }) !== undefined;
  }

  #planned(looked: LookedLink, found: InspectedLink): PlannedLink {
    const { repository, kind, digest, usedAt } = found;
    const levels = found.keptBy.map(
      (keeper) => this.plan.find({ repository, kind: 'manifest', digest: keeper })?.level ?? 0,
    );
    return {
      link: { repository, kind, digest, usedAt },
      level: levels.length === 0 ? 0 : levels.reduce((most, level) => Math.max(most, level)) + 1,
      candidates: looked.ids,
    };
  }

  /** Of each manifest the cached tags that point to it and do not go by the same plan. Blobs have none. */
  async #tagsKeeping(links: readonly InspectedLink[]): Promise<readonly (readonly string[])[]> {
    const keeping = links.map((): readonly string[] => []);
    let open = links.flatMap((link, index) => (link.kind === 'manifest' ? [index] : []));
    for (let most = this.context.dryRun ? FIRST_LOOK : 1; open.length > 0; most *= 10) {
      await safePoint(this.context);
      const asked = open.flatMap((index) => links[index] ?? []);
      const pointing = oneEach(await this.parts.tags.pointingTo(asked, most), asked, 'pointingTo');
      const unclear: number[] = [];
      for (const [at, index] of open.entries()) {
        const tags = pointing[at] ?? [];
        // What a run still finds pointing to a manifest is there; what a dry run finds may be gone by then.
        const goes = this.context.dryRun ? oneEach(await this.parts.goes(tags), tags, 'goes') : tags.map(() => false);
        const stay = tags.filter((_, position) => goes[position] !== true);
        keeping[index] = stay.map(({ reference }) => formatReference(reference));
        if (stay.length === 0 && tags.length >= most) unclear.push(index);
      }
      open = unclear;
    }
    return keeping;
  }
}
