import type { ContentLink, ContentSweep } from '@breakwater/registry-core';
import type { SweepNumbers } from '../report.js';
import { batches, DELETE_BATCH, LIST_PAGE, oneEach, pages, type RunContext, safePoint } from './run-context.js';

/**
 * The most passes over the manifest links in one run. An index sets its children free, and those theirs; indexes nest
 * four deep at most, and what a chain of referrers leaves after this many passes is found by the next run.
 */
const MAX_PASSES = 10;

/** Which of the links somebody other than the host needs. One boolean each. */
export type StillNeeded = (links: readonly ContentLink[]) => Promise<readonly boolean[]>;

/**
 * Removes the links that nobody needs: pass by pass, until a pass removes nothing. A dry run makes one pass, because
 * what a removal would set free cannot be seen without removing.
 *
 * @param usedBefore links used at this time or later are under lease, ms since the epoch
 */
export async function sweepLinks(
  context: RunContext,
  sweep: ContentSweep,
  kind: ContentLink['kind'],
  usedBefore: number,
  stillNeeded: StillNeeded,
  numbers: SweepNumbers,
): Promise<void> {
  let removedBefore: number;
  do {
    removedBefore = numbers.removed;
    numbers.passes += 1;
    const read = (cursor: string | undefined) => sweep.unreachable(usedBefore, kind, cursor, LIST_PAGE);
    for await (const page of pages(context, read)) {
      numbers.examined += page.links.length;
      for (const batch of batches(page.links, DELETE_BATCH)) {
        await sweepBatch(context, sweep, batch, stillNeeded, numbers);
      }
    }
  } while (numbers.removed > removedBefore && numbers.passes < MAX_PASSES && !context.dryRun);
}

async function sweepBatch(
  context: RunContext,
  sweep: ContentSweep,
  batch: readonly ContentLink[],
  stillNeeded: StillNeeded,
  numbers: SweepNumbers,
): Promise<void> {
  await safePoint(context);
  const needed = oneEach(await stillNeeded(batch), batch, 'needs');
  const unneeded = batch.filter((_, index) => needed[index] === false);
  numbers.needed += batch.length - unneeded.length;
  if (unneeded.length === 0) return;
  if (context.dryRun) {
    numbers.removed += unneeded.length;
    return;
  }
  const intended = await context.record.intend(
    unneeded.map(({ kind, repository, digest }) => ({
      kind,
      repository,
      reference: digest,
      digest,
      reason: 'unreachable',
    })),
  );
  const gone = oneEach(await sweep.remove(unneeded, context.run), unneeded, 'remove');
  const removed = gone.filter((each) => each).length;
  numbers.removed += removed;
  numbers.kept += gone.length - removed;
  await intended.settle(gone.map((done) => (done ? 'done' : 'kept')));
}
