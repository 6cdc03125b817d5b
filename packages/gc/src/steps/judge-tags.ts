import { type ExpireReason, judgeTag, type OwnKeepReason } from '../expiry-rule.js';
import type { HoldState, Holds } from '../holds.js';
import type { ExpirableTag } from '../ports.js';
import { type RunContext, safePoint } from './run-context.js';

/** What the whole rule says of a tag, its hold included. */
export type TagDecision =
  | { readonly action: 'expire'; readonly reason: ExpireReason }
  | { readonly action: 'keep'; readonly reason: OwnKeepReason | 'upstream_unknown' }
  | { readonly action: 'keep'; readonly reason: 'held'; readonly upstream: string; readonly downSince?: number };

/** What the rule says of each tag. Upstreams are asked about only where something would go. */
export async function judgeTags(
  context: RunContext,
  holds: Holds,
  tags: readonly ExpirableTag[],
): Promise<readonly TagDecision[]> {
  const states = new Map<string, HoldState>();
  const decisions: TagDecision[] = [];
  for (const tag of tags) {
    const verdict = judgeTag(tag, context.plannedAt);
    const { organization, upstream } = tag.repository;
    if (verdict.action === 'keep' || upstream === undefined) {
      decisions.push(verdict);
      continue;
    }
    // Neither part can hold a line feed.
    const key = `${organization}\n${upstream}`;
    let state = states.get(key);
    if (state === undefined) {
      await safePoint(context);
      state = await holds.of(organization, upstream);
      states.set(key, state);
    }
    decisions.push(withHold(verdict, upstream, state));
  }
  return decisions;
}

function withHold(verdict: TagDecision, upstream: string, state: HoldState): TagDecision {
  if (state.kind === 'free') return verdict;
  if (state.kind === 'unknown') return { action: 'keep', reason: 'upstream_unknown' };
  const { downSince } = state;
  return { action: 'keep', reason: 'held', upstream, ...(downSince === undefined ? {} : { downSince }) };
}
