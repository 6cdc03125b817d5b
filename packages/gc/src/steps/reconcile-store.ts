import type { Reconciliation } from '@breakwater/registry-core';
import type { ReconcileNumbers } from '../report.js';
import { type RunContext, safePoint } from './run-context.js';

/** Brings store and database together where that is due. A dry run only looks. */
export async function reconcileStore(
  context: RunContext,
  store: Reconciliation,
  numbers: ReconcileNumbers,
): Promise<void> {
  const found = await store.reconcile(context.dryRun, () => safePoint(context));
  if (found === undefined) return;
  const { finished, strays, braked, missing, cleared, dropped } = found;
  Object.assign(numbers, { due: true, finished, strays, braked, missing, cleared, dropped });
}
