import type { InspectedLink, LinkKey } from '@breakwater/registry-core';
import type { LinkSweep } from '../ports.js';
import type { LinkKeepReason } from '../report.js';
import { noPlan } from '../step-numbers.js';
import { findGoing, type PlanParts } from '../steps/plan-sweep.js';
import type { RunContext } from '../steps/run-context.js';
import { linkKey, SweepPlan } from '../steps/sweep-plan.js';
import type { ExplainedLink } from './explanation.js';

/** What keeps a link, and what keeps that: no more of these are looked at. What more of them keep is taken to stay. */
const MOST_KEEPERS = 1_000;
/** Of one link no more keepers are asked for at once. */
const KEEPERS_EACH = 100;

/** What the sweep would say of one link: the plan is made of it and of all that keeps it, which may go before it. */
export async function judgeLink(
  context: RunContext,
  parts: Pick<PlanParts, 'sweep' | 'tags' | 'goes' | 'usedBefore'>,
  target: InspectedLink,
): Promise<ExplainedLink['verdict']> {
  const looked = await withKeepers(parts.sweep, target);
  const sweep: PlanParts['sweep'] = {
    inspect: (links, most) => parts.sweep.inspect(links, most),
    candidates: async () => ({ candidates: looked.map((link) => ({ ...link, id: linkKey(link) })), next: undefined }),
  };
  const plan = new SweepPlan();
  const kept = new Map<string, LinkKeepReason>();
  const tally = { keep: (link: LinkKey, reason: LinkKeepReason) => kept.set(linkKey(link), reason) };
  await findGoing(context, { ...parts, sweep, also: [], most: Number.MAX_SAFE_INTEGER }, plan, tally, noPlan());
  if (plan.find(target) !== undefined) return { action: 'remove', reason: 'unreachable' };
  // What was there a moment ago and is not any more has changed.
  return { action: 'keep', reason: kept.get(linkKey(target)) ?? 'changed' };
}

async function withKeepers(sweep: Pick<LinkSweep, 'inspect'>, target: LinkKey): Promise<readonly LinkKey[]> {
  const { repository, kind, digest } = target;
  const found = new Map<string, LinkKey>([[linkKey(target), { repository, kind, digest }]]);
  let next = [...found.values()];
  while (next.length > 0 && found.size < MOST_KEEPERS) {
    const facts = await sweep.inspect(next, KEEPERS_EACH);
    const keepers = facts.flatMap((each) => each?.keptBy ?? []);
    next = [];
    for (const keeper of new Set(keepers)) {
      const link: LinkKey = { repository, kind: 'manifest', digest: keeper };
      if (found.has(linkKey(link)) || found.size >= MOST_KEEPERS) continue;
      found.set(linkKey(link), link);
      next.push(link);
    }
  }
  return [...found.values()];
}
