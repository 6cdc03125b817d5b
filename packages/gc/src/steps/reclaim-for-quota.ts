import type { ContentUsage } from '@breakwater/registry-core';
import { formatReference } from '@breakwater/registry-core';
import type { Holds } from '../holds.js';
import type { ExpirableTag, Quota, QuotaTags } from '../ports.js';
import type { QuotaNumbers, TagTally } from '../report.js';
import { DELETE_BATCH, oneEach, pages, type RunContext, safePoint } from './run-context.js';

/** What the step works with. */
export interface QuotaParts {
  readonly quotas: QuotaTags;
  readonly usage: ContentUsage;
  readonly holds: Holds;
  /** Tags used at this time or later may be being pulled, ms since the epoch. */
  readonly usedBefore: number;
  /** Removes tags by the same path as the rule does. One boolean each: it is gone. */
  readonly expire: (tags: readonly ExpirableTag[]) => Promise<readonly boolean[]>;
  /** Frees what the removed tags kept. */
  readonly sweep: () => Promise<void>;
}

/**
 * Takes the least recently pulled images of organizations that have more than their quota, until they have no more. What
 * is pinned, may be being pulled, or is held for an outage stays, and the organization over its quota (F126). A dry run
 * names those that would go first.
 */
export async function reclaimForQuota(
  context: RunContext,
  parts: QuotaParts,
  tally: TagTally,
  numbers: QuotaNumbers,
): Promise<void> {
  const { organization } = context;
  for await (const page of pages(context, (cursor) => parts.quotas.quotas(organization, cursor))) {
    for (const quota of page.quotas) await reclaim(context, parts, quota, tally, numbers);
  }
}

async function reclaim(
  context: RunContext,
  parts: QuotaParts,
  quota: Quota,
  tally: TagTally,
  numbers: QuotaNumbers,
): Promise<void> {
  let excess = (await parts.usage.bytesOf(quota.organization)) - quota.quotaBytes;
  if (excess <= 0) return;
  numbers.organizations += 1;
  while (excess > 0) {
    await safePoint(context);
    const hold = await parts.holds.of(quota.organization, quota.upstream);
    const oldest = await parts.quotas.leastRecentlyUsed(quota, parts.usedBefore, DELETE_BATCH);
    if (oldest.length === 0) break;
    if (hold.kind !== 'free') {
      for (const tag of oldest) {
        if (hold.kind === 'held') tally.hold(tag, quota.upstream, hold.downSince);
        else tally.keep(tag, 'upstream_unknown');
      }
      break;
    }
    const chosen = await enough(oldest, excess, parts.usage);
    const gone = oneEach(await parts.expire(chosen), chosen, 'expire');
    const expired = chosen.filter((_, index) => gone[index] === true);
    for (const tag of expired) tally.expire(tag, 'quota');
    numbers.expired += expired.length;
    if (context.dryRun || expired.length === 0) break;
    await parts.sweep();
    excess = (await parts.usage.bytesOf(quota.organization)) - quota.quotaBytes;
  }
  if (!context.dryRun && excess > 0) numbers.over += 1;
}

/**
 * The first images that together have as many bytes. They free at most as many, for others may share what they have: so
 * never too many are taken at once.
 */
async function enough(
  tags: readonly ExpirableTag[],
  excess: number,
  usage: ContentUsage,
): Promise<readonly ExpirableTag[]> {
  const sizes = oneEach(await usage.imageBytes(tags), tags, 'imageBytes');
  const counted = new Set<string>();
  let bytes = 0;
  for (const [index, { repository, digest }] of tags.entries()) {
    const key = `${repository.name}\n${digest}`;
    if (!counted.has(key)) bytes += sizes[index] ?? 0;
    counted.add(key);
    if (bytes >= excess) return tags.slice(0, index + 1);
  }
  return tags;
}

/** What tells a tag from all others. */
export function tagKey({ repository, reference }: ExpirableTag): string {
  const { organization, upstream = '', name } = repository;
  return `${organization}\n${upstream}\n${name}\n${reference.kind} ${formatReference(reference)}`;
}
