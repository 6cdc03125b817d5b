import type { RunTools } from './run-parts.js';
import { nothingReconciled } from './step-numbers.js';
import { dropStaleFiles } from './steps/drop-stale-files.js';
import { reconcileStore } from './steps/reconcile-store.js';

/** No file is stale earlier than this after it was written to last, whatever the grace, ms. */
const LEAST_STALE_MS = 10 * 60_000;

/** The steps about the store itself: files that nobody goes on with, and store and database brought together. Never rejects. */
export async function tidyUp({ parts, context, steps }: RunTools, hasEnded: () => boolean): Promise<void> {
  const { staleFiles, reconciliation, graceMs, clock } = parts;
  if (staleFiles.length > 0 && !hasEnded()) {
    const before = clock.now() - Math.max(graceMs, LEAST_STALE_MS);
    await steps.run('drop_stale_files', { files: 0, bytes: 0, sorts: {} }, (numbers) =>
      dropStaleFiles(context, staleFiles, before, numbers),
    );
  }
  if (reconciliation === undefined || hasEnded()) return;
  await steps.run('reconcile', nothingReconciled(), (numbers) => reconcileStore(context, reconciliation, numbers));
}
