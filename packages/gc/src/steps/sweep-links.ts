import type { ContentLink } from '@breakwater/registry-core';
import type { LinkSweep } from '../ports.js';
import type { LinkTally, SweepNumbers } from '../report.js';
import { batches, DELETE_BATCH, oneEach, type RunContext, safePoint } from './run-context.js';
import type { PlannedLink, SweepPlan } from './sweep-plan.js';

/** Removes the planned links of a kind, those first that keep others; the host looks once more at each. */
export async function sweepLinks(
  context: RunContext,
  sweep: LinkSweep,
  kind: ContentLink['kind'],
  plan: SweepPlan,
  tally: LinkTally,
  numbers: SweepNumbers,
): Promise<void> {
  for (const level of plan.levels(kind)) {
    for (const batch of batches(level, DELETE_BATCH)) {
      await safePoint(context);
      const gone = context.dryRun ? batch.map(() => true) : await removeOnRecord(context, sweep, batch);
      for (const [index, { link }] of batch.entries()) {
        if (gone[index] === true) {
          tally.remove(link);
          numbers.removed += 1;
        } else {
          tally.keep(link, 'changed', []);
          numbers.kept += 1;
        }
      }
    }
  }
}

async function removeOnRecord(
  context: RunContext,
  sweep: LinkSweep,
  batch: readonly PlannedLink[],
): Promise<readonly boolean[]> {
  const links = batch.map(({ link }) => link);
  const intended = await context.record.intend(
    links.map(({ kind, repository, digest }) => ({
      kind,
      repository,
      reference: digest,
      digest,
      reason: 'unreachable',
    })),
  );
  const gone = oneEach(await sweep.remove(links, context.run), links, 'remove');
  await intended.settle(gone.map((done) => (done ? 'done' : 'kept')));
  await sweep.settle?.(
    batch.flatMap(({ candidates }, index) => (gone[index] === true ? candidates.map((id) => ({ id })) : [])),
  );
  return gone;
}
