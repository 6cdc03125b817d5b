import type { ContentDisposal, DisposableContent } from '@breakwater/registry-core';
import type { DisposeNumbers } from '../report.js';
import type { ContentDeletion, IntendedDeletions } from '../run-journal.js';
import { LIST_PAGE, pages, type RunContext, safePoint } from './run-context.js';

/** After this many batches in a row that freed nothing, whoever holds the rest is left alone until the next run. */
const MAX_IDLE_BATCHES = 3;

/** Deletions on record that are to be settled when the batch has ended. */
interface Intention {
  readonly items: readonly DisposableContent[];
  readonly record: IntendedDeletions;
}

/**
 * Frees what no repository links to any more, this run's own removals included: the lease was waited for before the
 * link went, and content without a link cannot be pulled, so a second grace would protect nobody and keep the disk full.
 */
export async function disposeContent(
  context: RunContext,
  disposal: ContentDisposal,
  numbers: DisposeNumbers,
): Promise<void> {
  const before = context.clock.now() + 1;
  if (context.dryRun) {
    for await (const page of pages(context, (cursor) => disposal.disposable(before, cursor, LIST_PAGE))) {
      numbers.batches += 1;
      count(numbers, page.items);
    }
    return;
  }
  let idle = 0;
  for (;;) {
    await safePoint(context);
    const intentions: Intention[] = [];
    const { freed, done } = await disposal.dispose(context.clock.now() + 1, context.run, async (items) => {
      intentions.push({ items, record: await context.record.intend(items.map(deletionOf)) });
    });
    numbers.batches += 1;
    count(numbers, freed);
    const gone = new Set(freed.map(contentKey));
    for (const { items, record } of intentions) {
      await record.settle(items.map((item) => (gone.has(contentKey(item)) ? 'done' : 'kept')));
    }
    if (done) return;
    idle = freed.length === 0 ? idle + 1 : 0;
    if (idle === MAX_IDLE_BATCHES) return;
  }
}

function count(numbers: DisposeNumbers, items: readonly DisposableContent[]): void {
  for (const { kind, size } of items) {
    if (kind === 'manifest') numbers.manifests += 1;
    else numbers.blobs += 1;
    numbers.bytes += size;
  }
}

function deletionOf({ kind, digest, generation, size }: DisposableContent): ContentDeletion {
  return {
    kind: `${kind}_content`,
    digest,
    ...(generation === undefined ? {} : { generation }),
    size,
    reason: 'unlinked',
  };
}

function contentKey({ kind, digest, generation }: DisposableContent): string {
  return `${kind} ${digest} ${generation ?? ''}`;
}
