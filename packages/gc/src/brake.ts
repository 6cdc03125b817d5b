import type { ContentDisposal, ContentUsage } from '@breakwater/registry-core';
import type { Braked } from './report.js';
import { contentOf } from './steps/dispose-content.js';
import type { RunContext } from './steps/run-context.js';
import type { SweepPlan } from './steps/sweep-plan.js';

/** A run that would delete more blobs than both of these stops and asks (G12). */
const BRAKE_SHARE = 0.2;
const BRAKE_COUNT = 1_000;

/** Whether so many blobs of so many are what garbage is, or what a mistake looks like. */
export function isTooMuch({ blobs, of }: Braked): boolean {
  return blobs > BRAKE_COUNT && blobs > BRAKE_SHARE * of;
}

/**
 * Looks at a plan before anything of it is done.
 *
 * @param deleted blobs that the run has deleted already
 */
export async function assessPlan(
  context: RunContext,
  ports: { readonly disposal: ContentDisposal; readonly usage: ContentUsage },
  plan: SweepPlan,
  deleted: number,
): Promise<Braked | undefined> {
  // Cheap and never too low: there may be several links to one blob.
  if (plan.blobs + deleted <= BRAKE_COUNT) return undefined;
  let blobs = deleted;
  for await (const items of contentOf(context, ports.disposal, plan)) {
    blobs += items.filter(({ kind }) => kind === 'blob').length;
  }
  if (blobs <= BRAKE_COUNT) return undefined;
  // What this run has unlinked is among them still: it is freed at the end.
  const found = { blobs, of: await ports.usage.blobs() };
  return isTooMuch(found) ? found : undefined;
}

/**
 * The same of a plan that is too large to be kept.
 *
 * @param blobs at least as many as would be deleted
 */
export async function assessCount(usage: ContentUsage, blobs: number): Promise<Braked | undefined> {
  const found = { blobs, of: await usage.blobs() };
  return isTooMuch(found) ? found : undefined;
}
