import type { ContentDisposal } from '@breakwater/registry-core';
import type { DisposeNumbers } from '../report.js';
import { type RunContext, safePoint } from './run-context.js';

/** After this many batches in a row that freed nothing, whoever holds the rest is left alone until the next run. */
const MAX_IDLE_BATCHES = 3;

/**
 * Frees what no repository links to any more, this run's own removals included: the lease was waited for before the
 * link went, and content without a link cannot be pulled, so a second grace would protect nobody and keep the disk full.
 */
export async function disposeContent(
  context: RunContext,
  disposal: ContentDisposal,
  numbers: DisposeNumbers,
): Promise<void> {
  let idle = 0;
  for (;;) {
    await safePoint(context);
    const freed = await disposal.dispose(context.clock.now() + 1, context.runId, context.dryRun);
    numbers.batches += 1;
    numbers.manifests += freed.manifests;
    numbers.blobs += freed.blobs;
    numbers.bytes += freed.bytes;
    if (freed.done || context.dryRun) return;
    idle = freed.manifests + freed.blobs === 0 ? idle + 1 : 0;
    if (idle === MAX_IDLE_BATCHES) return;
  }
}
