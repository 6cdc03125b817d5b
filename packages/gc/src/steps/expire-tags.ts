import { formatReference } from '@breakwater/registry-core';
import type { ExpireReason } from '../expiry-rule.js';
import type { Holds } from '../holds.js';
import type { ExpirableTag, ExpirableTags, UpstreamOf } from '../ports.js';
import type { ExpireNumbers, TagTally } from '../report.js';
import { judgeTags } from './judge-tags.js';
import { batches, DELETE_BATCH, LIST_PAGE, oneEach, pages, type RunContext, safePoint } from './run-context.js';

interface DueTag {
  readonly tag: ExpirableTag;
  readonly reason: ExpireReason;
}

/**
 * Removes the cached tags of which the rule says that they go, and tallies why the others stay. A dry run looks at all
 * tags; a run looks at those that may be due, and of an upstream that is down at the first page of them only.
 *
 * @param enough ends the step once so many tags have gone
 */
export async function expireTags(
  context: RunContext,
  tags: ExpirableTags,
  holds: Holds,
  tally: TagTally,
  numbers: ExpireNumbers,
  enough = Number.POSITIVE_INFINITY,
): Promise<void> {
  const except: UpstreamOf[] = [];
  const read = (cursor: string | undefined) =>
    tags.list({
      organization: context.organization,
      ...(tally.listKept ? {} : { dueAt: context.plannedAt, except: [...except] }),
      cursor,
      limit: LIST_PAGE,
    });
  for await (const page of pages(context, read)) {
    const decisions = await judgeTags(context, holds, page.tags);
    const due: DueTag[] = [];
    for (const [index, tag] of page.tags.entries()) {
      numbers.examined += 1;
      const decision = decisions[index];
      if (decision?.action === 'expire') {
        due.push({ tag, reason: decision.reason });
        continue;
      }
      numbers.kept += 1;
      if (decision?.reason !== 'held') {
        tally.keep(tag, decision?.reason ?? 'upstream_unknown');
        continue;
      }
      tally.hold(tag, decision.upstream, decision.downSince);
      noteHeld(except, { organization: tag.repository.organization, upstream: decision.upstream });
    }
    for (const batch of batches(due, DELETE_BATCH)) await expireBatch(context, batch, tags, tally, numbers);
    if (numbers.expired >= enough) return;
  }
}

function noteHeld(held: UpstreamOf[], one: UpstreamOf): void {
  const known = held.some(
    ({ organization, upstream }) => organization === one.organization && upstream === one.upstream,
  );
  if (!known) held.push(one);
}

async function expireBatch(
  context: RunContext,
  batch: readonly DueTag[],
  tags: ExpirableTags,
  tally: TagTally,
  numbers: ExpireNumbers,
): Promise<void> {
  await safePoint(context);
  const gone = context.dryRun ? batch.map(() => true) : await expireOnRecord(context, batch, tags);
  for (const [index, { tag, reason }] of batch.entries()) {
    if (gone[index] === true) {
      tally.expire(tag, reason);
      numbers.expired += 1;
    } else {
      tally.keep(tag, 'changed');
      numbers.kept += 1;
    }
  }
}

/** Removes tags with their intention on record. One boolean each: it is gone. */
export async function expireOnRecord(
  context: RunContext,
  batch: readonly DueTag[],
  tags: ExpirableTags,
): Promise<readonly boolean[]> {
  const intended = await context.record.intend(
    batch.map(({ tag, reason }) => ({
      kind: 'tag',
      repository: tag.repository,
      reference: formatReference(tag.reference),
      digest: tag.digest,
      reason,
    })),
  );
  const asked = batch.map(({ tag }) => tag);
  const gone = oneEach(await tags.expire(asked, context.run), asked, 'expire');
  await intended.settle(gone.map((done) => (done ? 'done' : 'kept')));
  return gone;
}
