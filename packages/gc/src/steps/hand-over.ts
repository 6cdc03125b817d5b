import type { LinkSweep, ManifestKey, ReleasedManifests } from '../ports.js';
import type { ForgetNumbers } from '../report.js';
import { MAX_PLANNED } from './plan-sweep.js';
import { LIST_PAGE, pages, type RunContext, safePoint } from './run-context.js';

/** Makes candidates of the manifests that cached tags have left. They are forgotten only when the host has them. */
export async function handOver(context: RunContext, released: ReleasedManifests, sweep: LinkSweep): Promise<void> {
  for (;;) {
    await safePoint(context);
    const { manifests, next } = await released.list(undefined, LIST_PAGE);
    if (manifests.length === 0) return;
    await sweep.consider?.(manifests.map(({ repository, digest }) => ({ repository, kind: 'manifest', digest })));
    await released.forget(manifests.map(({ id }) => id));
    if (next === undefined) return;
  }
}

/** Forgets them in batches, where nobody sweeps: the queue would grow for ever. */
export async function forgetReleased(
  context: RunContext,
  released: ReleasedManifests,
  numbers: ForgetNumbers,
): Promise<void> {
  for (;;) {
    await safePoint(context);
    const { manifests, next } = await released.list(undefined, LIST_PAGE);
    if (manifests.length > 0) await released.forget(manifests.map(({ id }) => id));
    numbers.forgotten += manifests.length;
    if (next === undefined) return;
  }
}

/** The same manifests, for a dry run. */
export async function waitingToBeHandedOver(
  context: RunContext,
  released: ReleasedManifests,
): Promise<readonly ManifestKey[]> {
  const found: ManifestKey[] = [];
  for await (const { manifests } of pages(context, (cursor) => released.list(cursor, LIST_PAGE))) {
    found.push(...manifests.filter(({ repository }) => isAskedFor(context, repository.organization)));
    if (found.length >= MAX_PLANNED) break;
  }
  return found;
}

function isAskedFor({ organization }: RunContext, of: string): boolean {
  return organization === undefined || organization === of;
}
