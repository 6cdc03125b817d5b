import type { LookAhead } from './look-ahead.js';
import type { LinkSweep } from './ports.js';
import type { LinkTally } from './report.js';
import type { RunTools } from './run-parts.js';
import { noLinks, noPlan } from './step-numbers.js';
import { handOver } from './steps/hand-over.js';
import { planSweep } from './steps/plan-sweep.js';
import { sweepLinks } from './steps/sweep-links.js';
import type { SweepOutcome } from './steps/sweep-outcome.js';
import type { SweepPlan } from './steps/sweep-plan.js';

/** What one round sets free is found by the next one. */
const MAX_ROUNDS = 1_000;

/** Plans and removes what nobody needs any more, round by round, until a round removes nothing. Never rejects. */
export async function sweepInRounds(
  tools: RunTools,
  sweep: LinkSweep,
  look: LookAhead,
  tally: LinkTally,
): Promise<SweepOutcome> {
  const { brake, steps, context } = tools;
  brake.beginSweep();
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const plan = await planRound(tools, sweep, look, tally);
    if (plan === undefined) return 'failed';
    if (brake.found !== undefined) return 'braked';
    if (plan.size === 0) return 'done';
    let removed = 0;
    for (const kind of ['manifest', 'blob'] as const) {
      const isDone = await steps.run(`sweep_${kind}s`, noLinks(), async (numbers) => {
        const before = numbers.removed;
        try {
          await sweepLinks(context, sweep, kind, plan, tally, numbers);
        } finally {
          const gone = numbers.removed - before;
          removed += gone;
          if (kind === 'blob') brake.deleted(gone);
        }
      });
      if (!isDone) return 'failed';
    }
    if (removed === 0) return 'done';
  }
  return 'done';
}

/** The plan of a round; `undefined` when it could not be made. */
async function planRound(
  { parts, context, steps, brake, usedBefore }: RunTools,
  sweep: LinkSweep,
  look: LookAhead,
  tally: LinkTally,
): Promise<SweepPlan | undefined> {
  const { released, tags, maxPlannedLinks: most } = parts;
  let plan: SweepPlan | undefined;
  const isPlanned = await steps.run('plan_sweep', noPlan(), async (numbers) => {
    await parts.writeUses();
    if (released !== undefined) await handOver(context, released, sweep);
    const goes = async (of: readonly unknown[]) => of.map(() => false);
    plan = await planSweep(context, { sweep, tags, usedBefore, most, goes, also: [] }, tally, numbers);
    await brake.stops(context, plan, () => look.countAll(sweep));
  });
  return isPlanned ? plan : undefined;
}
