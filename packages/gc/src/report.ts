import type { Digest, OrganizationName, RepositoryName } from '@breakwater/registry-core';
import { formatReference } from '@breakwater/registry-core';
import type { ExpireReason, OwnKeepReason } from './expiry-rule.js';
import type { ExpirableTag } from './ports.js';

/** The most tags that a report names; the totals beside them are complete. */
const MAX_REPORTED_TAGS = 1000;

/** Why a tag stayed. */
export type KeepReason =
  | OwnKeepReason
  /** Its upstream is down. */
  | 'held'
  /** Nobody could say how its upstream is. */
  | 'upstream_unknown'
  /** It was used, confirmed or moved after it was listed. */
  | 'changed';

/** A tag in a report, with the clocks that decided. Times are ms since the epoch. */
export interface ReportedTag<Reason extends string> {
  readonly organization: OrganizationName;
  readonly repository: RepositoryName;
  readonly upstream?: string;
  /** The tag, or the digest of content that is used by digest only. */
  readonly reference: string;
  readonly digest: Digest;
  readonly reason: Reason;
  readonly confirmedAt: number;
  readonly lastUsedAt: number;
  readonly stalenessPeriodS: number;
  readonly expirationS?: number;
}

/** An upstream that is down, and how many tags would have gone if it were not. */
export interface HeldUpstream {
  readonly organization: OrganizationName;
  readonly upstream: string;
  readonly downSince?: number;
  readonly tags: number;
}

/** Numbers of the step that expires tags. */
export interface ExpireNumbers {
  /** Tags looked at. */
  examined: number;
  expired: number;
  kept: number;
}

/** Numbers of a step that removes links. */
export interface SweepNumbers {
  /** Links that the host needs no more. */
  examined: number;
  /** Those that a cached tag still needs. */
  needed: number;
  removed: number;
  /** Those that turned out to be needed, or used, when they were about to be removed. */
  kept: number;
  /** How often the list was gone through: what is removed in one pass sets free what is found in the next. */
  passes: number;
}

/** Numbers of the step that frees content which nothing links to. */
export interface DisposeNumbers {
  manifests: number;
  blobs: number;
  bytes: number;
  batches: number;
}

type Step<Name extends string, Numbers> = Readonly<Numbers> & {
  readonly name: Name;
  readonly ms: number;
  /** The class of the failure that ended the step; what it had done until then is counted. */
  readonly error?: string;
};

/** What one step did, or in a dry run would have done. */
export type StepReport =
  | Step<'expire_tags', ExpireNumbers>
  | Step<'sweep_manifests' | 'sweep_blobs', SweepNumbers>
  | Step<'dispose', DisposeNumbers>;

/** What a run did and why; in a dry run, what it would have done. Times are ms since the epoch. */
export interface GcReport {
  readonly runId: string;
  readonly dryRun: boolean;
  /** `failed`: a step ended early, see its `error`. `stopped`: the collector was stopped between two batches. */
  readonly outcome: 'done' | 'failed' | 'stopped';
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly steps: readonly StepReport[];
  /** The first 1000 tags that went. */
  readonly expired: readonly ReportedTag<ExpireReason>[];
  readonly expiredTotal: number;
  /** How many tags stayed, by reason. */
  readonly kept: Readonly<Record<KeepReason, number>>;
  /** The first 1000 tags that stayed; in a dry run only. */
  readonly keptTags: readonly ReportedTag<KeepReason>[];
  readonly held: readonly HeldUpstream[];
  /** What was freed in the store. In a dry run: what could be at once, not what this run's own removals would add. */
  readonly freed: { readonly manifests: number; readonly blobs: number; readonly bytes: number };
}

/** Gathers what the tag step decides, in bounded memory. */
export class TagTally {
  readonly expired: ReportedTag<ExpireReason>[] = [];
  readonly keptTags: ReportedTag<KeepReason>[] = [];
  expiredTotal = 0;
  readonly kept: Record<KeepReason, number> = {
    pinned: 0,
    within_staleness: 0,
    kept_for_ever: 0,
    used_recently: 0,
    held: 0,
    upstream_unknown: 0,
    changed: 0,
  };
  readonly #held = new Map<string, { -readonly [Key in keyof HeldUpstream]: HeldUpstream[Key] }>();

  constructor(readonly listKept: boolean) {}

  get held(): readonly HeldUpstream[] {
    return [...this.#held.values()];
  }

  expire(tag: ExpirableTag, reason: ExpireReason): void {
    this.expiredTotal += 1;
    if (this.expired.length < MAX_REPORTED_TAGS) this.expired.push(reportedTag(tag, reason));
  }

  keep(tag: ExpirableTag, reason: KeepReason): void {
    this.kept[reason] += 1;
    if (this.listKept && this.keptTags.length < MAX_REPORTED_TAGS) this.keptTags.push(reportedTag(tag, reason));
  }

  hold(tag: ExpirableTag, upstream: string, downSince: number | undefined): void {
    this.keep(tag, 'held');
    const { organization } = tag.repository;
    // Neither part can hold a line feed.
    const key = `${organization}\n${upstream}`;
    const entry = this.#held.get(key) ?? { organization, upstream, tags: 0 };
    entry.tags += 1;
    if (downSince !== undefined) entry.downSince = downSince;
    this.#held.set(key, entry);
  }
}

function reportedTag<Reason extends string>(tag: ExpirableTag, reason: Reason): ReportedTag<Reason> {
  const { organization, name, upstream } = tag.repository;
  return {
    organization,
    repository: name,
    ...(upstream === undefined ? {} : { upstream }),
    reference: formatReference(tag.reference),
    digest: tag.digest,
    reason,
    confirmedAt: tag.confirmedAt,
    lastUsedAt: tag.lastUsedAt,
    stalenessPeriodS: tag.stalenessPeriodS,
    ...(tag.expirationS === undefined ? {} : { expirationS: tag.expirationS }),
  };
}
