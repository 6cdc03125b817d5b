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
 * names those that would go first, and more may: what images share with others is not freed with them.
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
  const counted = new Set<string>();
  let after: ExpirableTag | undefined;
  while (excess > 0) {
    await safePoint(context);
    const hold = await parts.holds.of(quota.organization, quota.upstream);
    const oldest = await parts.quotas.leastRecentlyUsed(quota, parts.usedBefore, DELETE_BATCH, after);
    if (oldest.length === 0) break;
    if (hold.kind !== 'free') {
      for (const tag of oldest) {
        if (hold.kind === 'held') tally.hold(tag, quota.upstream, hold.downSince);
        else tally.keep(tag, 'upstream_unknown');
      }
      break;
    }
    const { chosen, bytes } = await enough(oldest, excess, parts.usage, counted);
    const gone = oneEach(await parts.expire(chosen), chosen, 'expire');
    const expired = chosen.filter((_, index) => gone[index] === true);
    for (const tag of expired) tally.expire(tag, 'quota');
    numbers.expired += expired.length;
    if (expired.length === 0) break;
    if (context.dryRun) {
      excess -= bytes;
      after = chosen.at(-1);
      continue;
    }
    counted.clear();
    await parts.sweep();
    excess = (await parts.usage.bytesOf(quota.organization)) - quota.quotaBytes;
  }
  if (excess > 0) numbers.over += 1;
}

/**
 * The first images that together have as many bytes. They free at most as many, for others may share what they have: so
 * never too many are taken at once.
 */
async function enough(
  tags: readonly ExpirableTag[],
  excess: number,
  usage: ContentUsage,
  counted: Set<string>,
): Promise<{ readonly chosen: readonly ExpirableTag[]; readonly bytes: number }> {
  let bytes = 0;
  for (const [index, size] of (await imagesBytes(tags, usage, counted)).entries()) {
    bytes += size;
    if (bytes >= excess) return { chosen: tags.slice(0, index + 1), bytes };
  }
  return { chosen: tags, bytes };
}

/**
 * Bytes of the image of each tag; 0 for a tag of an image that another one before it has.
 * @param counted images that were counted already; those of the tags are added
 */
export async function imagesBytes(
  tags: readonly ExpirableTag[],
  usage: ContentUsage,
  counted = new Set<string>(),
): Promise<readonly number[]> {
  const sizes = oneEach(await usage.imageBytes(tags), tags, 'imageBytes');
  return tags.map(({ repository, digest }, index) => {
    const key = `${repository.name}\n${digest}`;
    const isCounted = counted.has(key);
    counted.add(key);
    return isCounted ? 0 : (sizes[index] ?? 0);
  });
}

/** What tells a tag from all others. */
export function tagKey({ repository, reference }: ExpirableTag): string {
  const { organization, upstream = '', name } = repository;
  return `${organization}\n${upstream}\n${name}\n${reference.kind} ${formatReference(reference)}`;
}
