import type { Holds } from '../holds.js';
import type { ExpirableTag, ManifestKey, Quota } from '../ports.js';
import type { QuotaNumbers, TagTally } from '../report.js';
import { QuotaVictims, type VictimParts } from './quota-victims.js';
import { batches, DELETE_BATCH, oneEach, pages, type RunContext, safePoint } from './run-context.js';
import type { SweepOutcome } from './sweep-outcome.js';

/** What the step works with. */
export interface QuotaParts extends VictimParts {
  readonly holds: Holds;
  /** Manifests that tags leave anyhow, as far as they have not left them yet. */
  readonly planned: () => readonly ManifestKey[];
  /** Removes tags by the same path as the rule does. One boolean each: it is gone. */
  readonly take: (tags: readonly ExpirableTag[]) => Promise<readonly boolean[]>;
  /** Frees what the removed tags kept. Never rejects. */
  readonly free: () => Promise<SweepOutcome>;
}

/**
 * Takes the least recently pulled images of organizations that have more than their quota, until they have no more. What
 * is pinned, may be being pulled, or is held for an outage stays, and the organization over its quota (F126).
 *
 * Each batch has to free something before there is another one: where the sweep fails, is braked or frees nothing, taking
 * more would only lose more. A dry run names those that would go first, and more may: what images share is not freed with
 * one of them.
 */
export async function reclaimForQuota(
  context: RunContext,
  parts: QuotaParts,
  tally: TagTally,
  numbers: QuotaNumbers,
): Promise<void> {
  const { organization } = context;
  for await (const page of pages(context, (cursor) => parts.quotas.quotas(organization, cursor))) {
    for (const quota of page.quotas) {
      if ((await reclaim(context, parts, quota, tally, numbers)) !== 'done') return;
    }
  }
}

async function reclaim(
  context: RunContext,
  parts: QuotaParts,
  quota: Quota,
  tally: TagTally,
  numbers: QuotaNumbers,
): Promise<SweepOutcome> {
  let excess = (await parts.usage.bytesOf(quota)) - quota.quotaBytes;
  if (excess > 0) excess -= await plannedBytes(parts, quota);
  if (excess <= 0) return 'done';
  numbers.organizations += 1;
  const victims = new QuotaVictims(parts, quota);
  let freed: SweepOutcome = 'done';
  while (excess > 0 && freed === 'done') {
    if (await isHeld(context, parts, quota, tally)) break;
    const chosen = await victims.next(excess, () => safePoint(context));
    if (chosen.length === 0) break;
    const taken = await take(
      context,
      parts,
      chosen.flatMap(({ roots }) => roots),
      tally,
    );
    numbers.expired += taken;
    if (taken === 0) continue;
    freed = await parts.free();
    const left = context.dryRun
      ? excess - chosen.reduce((sum, { bytes }) => sum + bytes, 0)
      : (await parts.usage.bytesOf(quota)) - quota.quotaBytes;
    const isStuck = left >= excess;
    excess = left;
    if (isStuck) break;
  }
  if (excess > 0) numbers.over += 1;
  return freed;
}

/** Whether an outage keeps what the organization has; then the first of it is told. */
async function isHeld(context: RunContext, parts: QuotaParts, quota: Quota, tally: TagTally): Promise<boolean> {
  await safePoint(context);
  const hold = await parts.holds.of(quota.organization, quota.upstream);
  if (hold.kind === 'free') return false;
  for (const tag of await parts.quotas.leastRecentlyUsed(quota, parts.usedBefore, DELETE_BATCH)) {
    if (hold.kind === 'held') tally.hold(tag, quota.upstream, hold.downSince);
    else tally.keep(tag, 'upstream_unknown');
  }
  return true;
}

/** Resolves to how many are gone. */
async function take(
  context: RunContext,
  parts: QuotaParts,
  tags: readonly ExpirableTag[],
  tally: TagTally,
): Promise<number> {
  let taken = 0;
  for (const batch of batches(tags, DELETE_BATCH)) {
    await safePoint(context);
    const gone = oneEach(await parts.take(batch), batch, 'expire');
    for (const [index, tag] of batch.entries()) {
      if (gone[index] === true) tally.expire(tag, 'quota');
      else tally.keep(tag, 'changed');
      taken += Number(gone[index] === true);
    }
  }
  return taken;
}

/** Bytes that what goes anyhow frees of an organization: in a dry run it is there still. */
async function plannedBytes(parts: QuotaParts, { organization, upstream }: Quota): Promise<number> {
  const ours = new Map(
    parts
      .planned()
      .filter(({ repository }) => repository.organization === organization && repository.upstream === upstream)
      .map((manifest) => [`${manifest.repository.name}\n${manifest.digest}`, manifest]),
  );
  let bytes = 0;
  for (const batch of batches([...ours.values()], DELETE_BATCH)) {
    const pointing = oneEach(await parts.tags.pointingTo(batch, DELETE_BATCH), batch, 'pointingTo');
    const going = batch.filter((_, index) => pointing[index]?.every(parts.isPlanned) ?? true);
    for (const size of oneEach(await parts.usage.imageBytes(going), going, 'imageBytes')) bytes += size;
  }
  return bytes;
}
