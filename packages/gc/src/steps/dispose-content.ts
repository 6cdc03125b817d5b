import type { ContentDisposal, DisposableContent } from '@breakwater/registry-core';
import type { ContentTally, DisposeNumbers } from '../report.js';
import type { ContentDeletion, IntendedDeletions } from '../run-journal.js';
import { LIST_PAGE, pages, type RunContext, safePoint } from './run-context.js';
import type { SweepPlan } from './sweep-plan.js';

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
  tally: ContentTally,
  numbers: DisposeNumbers,
): Promise<void> {
  let idle = 0;
  for (;;) {
    await safePoint(context);
    const intentions: Intention[] = [];
    const { freed, done } = await disposal.dispose(context.clock.now() + 1, context.run, async (items) => {
      intentions.push({ items, record: await context.record.intend(items.map(deletionOf)) });
    });
    numbers.batches += 1;
    count(numbers, tally, freed);
    const gone = new Set(freed.map(contentKey));
    for (const { items, record } of intentions) {
      await record.settle(items.map((item) => (gone.has(contentKey(item)) ? 'done' : 'kept')));
    }
    if (done) return;
    idle = freed.length === 0 ? idle + 1 : 0;
    if (idle === MAX_IDLE_BATCHES) return;
  }
}

/** What a disposal would free once the links of a plan are gone. */
export async function previewDisposal(
  context: RunContext,
  disposal: ContentDisposal,
  plan: SweepPlan,
  tally: ContentTally,
  numbers: DisposeNumbers,
): Promise<void> {
  const before = context.clock.now() + 1;
  for await (const page of pages(context, (cursor) => disposal.disposable(before, cursor, LIST_PAGE))) {
    numbers.batches += 1;
    count(numbers, tally, page.items);
  }
  for await (const items of contentOf(context, disposal, plan)) count(numbers, tally, items);
}

/** The content that nothing links to once the links of a plan are gone, page by page. */
export async function* contentOf(
  context: RunContext,
  disposal: ContentDisposal,
  plan: SweepPlan,
): AsyncGenerator<readonly DisposableContent[], void, undefined> {
  for (const links of plan.byContent(LIST_PAGE)) {
    await safePoint(context);
    yield await disposal.linkedOnlyBy(links);
  }
}

function count(numbers: DisposeNumbers, tally: ContentTally, items: readonly DisposableContent[]): void {
  tally.free(items);
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
