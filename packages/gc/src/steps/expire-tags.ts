import { formatReference } from '@breakwater/registry-core';
import { type ExpireReason, judgeTag } from '../expiry-rule.js';
import type { HoldState, Holds } from '../holds.js';
import type { ExpirableTag, ExpirableTags } from '../ports.js';
import type { ExpireNumbers, TagTally } from '../report.js';
import { batches, DELETE_BATCH, LIST_PAGE, oneEach, pages, type RunContext, safePoint } from './run-context.js';

interface DueTag {
  readonly tag: ExpirableTag;
  readonly reason: ExpireReason;
}

/** Removes the cached tags of which the rule says that they go, and tallies why the others stay. */
export async function expireTags(
  context: RunContext,
  tags: ExpirableTags,
  holds: Holds,
  tally: TagTally,
  numbers: ExpireNumbers,
): Promise<void> {
  for await (const page of pages(context, (cursor) => tags.list(cursor, LIST_PAGE))) {
    const due: DueTag[] = [];
    for (const tag of page.tags) {
      numbers.examined += 1;
      const verdict = judgeTag(tag, context.plannedAt);
      if (verdict.action === 'expire') {
        due.push({ tag, reason: verdict.reason });
      } else {
        tally.keep(tag, verdict.reason);
        numbers.kept += 1;
      }
    }
    const free = await withoutHeld(context, due, holds, tally, numbers);
    for (const batch of batches(free, DELETE_BATCH)) await expireBatch(context, batch, tags, tally, numbers);
  }
}

/** The due tags that no outage holds back. Upstreams are asked about only here, where something is due. */
async function withoutHeld(
  context: RunContext,
  due: readonly DueTag[],
  holds: Holds,
  tally: TagTally,
  numbers: ExpireNumbers,
): Promise<readonly DueTag[]> {
  const states = new Map<string, HoldState>();
  const free: DueTag[] = [];
  for (const item of due) {
    const { organization, upstream } = item.tag.repository;
    if (upstream === undefined) {
      free.push(item);
      continue;
    }
    const key = `${organization}\n${upstream}`;
    let state = states.get(key);
    if (state === undefined) {
      await safePoint(context);
      state = await holds.of(organization, upstream);
      states.set(key, state);
    }
    if (state.kind === 'free') {
      free.push(item);
      continue;
    }
    numbers.kept += 1;
    if (state.kind === 'held') tally.hold(item.tag, upstream, state.downSince);
    else tally.keep(item.tag, 'upstream_unknown');
  }
  return free;
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

async function expireOnRecord(
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
  const gone = oneEach(await tags.expire(asked), asked, 'expire');
  await intended.settle(gone.map((done) => (done ? 'done' : 'kept')));
  return gone;
}
