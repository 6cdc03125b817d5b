import type {
  ContentLink,
  Digest,
  DisposableContent,
  LinkKey,
  OrganizationName,
  RepositoryName,
} from '@breakwater/registry-core';
import { formatReference } from '@breakwater/registry-core';
import type { ExpireReason, OwnKeepReason } from './expiry-rule.js';
import type { ExpirableTag, ManifestKey } from './ports.js';

/** The most tags, links and pieces of content that a report names of each sort; the totals beside them are complete. */
const MAX_REPORTED = 1000;
/** The most manifests that a dry run goes on with. */
const MAX_LEFT = 100_000;
/** The most things that are named as keeping one link. */
const MAX_KEEPERS = 5;

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
  /** Of those that were looked at: a dry run looks at all, a run at the first few hundred. */
  readonly tags: number;
}

/** Why a link stayed. */
export type LinkKeepReason =
  /** Its content was pulled within the grace. */
  | 'leased'
  /** A tag points to it. */
  | 'tagged'
  /** A manifest of the same repository keeps it. */
  | 'needed'
  /** It was used, or something has come to need it, after it was looked at. */
  | 'changed';

/** A link from a repository to a manifest or blob, in a report. */
export interface ReportedLink<Reason extends string> {
  readonly organization: OrganizationName;
  readonly repository: RepositoryName;
  readonly upstream?: string;
  readonly kind: LinkKey['kind'];
  readonly digest: Digest;
  readonly reason: Reason;
  /** ms since the epoch */
  readonly usedAt: number;
  /** Tags and digests of manifests, the first five. */
  readonly keptBy?: readonly string[];
}

/** What the brake has found to be too much. */
export interface Braked {
  /** Blobs that the run would delete. */
  readonly blobs: number;
  /** Blobs that there are. */
  readonly of: number;
}

/** The step that looks whether the store is there has nothing to count. */
export type NoNumbers = Record<never, never>;

/** Numbers of the step that expires tags. */
export interface ExpireNumbers {
  /** Tags looked at. */
  examined: number;
  expired: number;
  kept: number;
}

/** Numbers of the step that plans a sweep. */
export interface PlanNumbers {
  /** Links looked at. */
  examined: number;
  /** Those that are under lease. */
  leased: number;
  /** Those that something needs. */
  needed: number;
  /** Links to manifests and to blobs that are to go. */
  manifests: number;
  blobs: number;
}

/** Numbers of a step that removes links. */
export interface SweepNumbers {
  removed: number;
  /** Those that turned out to be needed, or used, when they were about to be removed. */
  kept: number;
}

/** Numbers of the step that forgets, where nothing is swept, which manifests tags have left. */
export interface ForgetNumbers {
  forgotten: number;
}

/** Numbers of the step that frees content which nothing links to. */
export interface DisposeNumbers {
  manifests: number;
  blobs: number;
  bytes: number;
  batches: number;
}

/** Numbers of the step that takes what is over a quota. */
export interface QuotaNumbers {
  /** Organizations that had more than their quota. */
  organizations: number;
  expired: number;
  /** Organizations that have more than it still, because what they have may not be taken. */
  over: number;
}

/** Numbers of the step that drops files which nobody will go on with. */
export interface StaleNumbers {
  files: number;
  bytes: number;
  /** The same by sort: uploads, partial downloads. */
  sorts: Record<string, { readonly files: number; readonly bytes: number }>;
}

/** Numbers of the step that brings store and database together; all 0 where it was not due. */
export interface ReconcileNumbers {
  /** Whether it was due. */
  due: boolean;
  /** Removals that somebody had begun and not finished. */
  finished: number;
  /** Files that nothing is known of. */
  strays: number;
  /** There were so many of them that they were left alone. */
  braked: boolean;
  /** What the database has and the store has not, or not whole. */
  missing: number;
  /** What was missing and is there again. */
  cleared: number;
  /** Damaged files that were kept for long enough. */
  dropped: number;
}

type Step<Name extends string, Numbers> = Readonly<Numbers> & {
  readonly name: Name;
  readonly ms: number;
  /** The class of the failure that ended the step; what it had done until then is counted. */
  readonly error?: string;
};

/** What one step did, or in a dry run would have done. */
export type StepReport =
  | Step<'check_store', NoNumbers>
  | Step<'expire_tags', ExpireNumbers>
  | Step<'reclaim_for_quota', QuotaNumbers>
  | Step<'forget_released', ForgetNumbers>
  | Step<'plan_sweep', PlanNumbers>
  | Step<'sweep_manifests' | 'sweep_blobs', SweepNumbers>
  | Step<'dispose', DisposeNumbers>
  | Step<'drop_stale_files', StaleNumbers>
  | Step<'reconcile', ReconcileNumbers>;

/** Why a run is left out this time. */
export type SkipReason =
  /** The clock of the database has jumped: what ages say cannot be trusted at once. */
  | 'clock_jumped'
  /** The database was not to be had until just now: uses may wait to be written for longer than the margin allows. */
  | 'database_recovered';

/** What a run did and why; in a dry run, what it would have done. Times are ms since the epoch. */
export interface GcReport {
  readonly runId: string;
  readonly dryRun: boolean;
  /** Only this organization; absent = all. */
  readonly organization?: OrganizationName;
  /**
   * `failed`: a step ended early, see its `error`. `stopped`: the collector was stopped between two batches. `braked`: it
   * would have deleted so much that it stopped before it did, see `brake`. `skipped`: it did not begin, see `skipped`.
   */
  readonly outcome: 'done' | 'failed' | 'stopped' | 'braked' | 'skipped';
  readonly skipped?: SkipReason;
  /** What was too much; in a dry run, what will be. */
  readonly brake?: Braked;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly steps: readonly StepReport[];
  /** The first 1000 tags that went. */
  readonly expired: readonly ReportedTag<ExpireReason>[];
  readonly expiredTotal: number;
  /** How many tags stayed, by reason: in a dry run of all, in a run of those that were due. */
  readonly kept: Readonly<Record<KeepReason, number>>;
  /** The first 1000 tags that stayed; in a dry run only. */
  readonly keptTags: readonly ReportedTag<KeepReason>[];
  readonly held: readonly HeldUpstream[];
  readonly links: {
    /** The first 1000 links that went. */
    readonly removed: readonly ReportedLink<'unreachable'>[];
    /** How many of the links that were looked at stayed, by reason. */
    readonly keptTotal: Readonly<Record<LinkKeepReason, number>>;
    /** The first 1000 of them; in a dry run only. */
    readonly kept: readonly ReportedLink<LinkKeepReason>[];
  };
  /** What was freed in the store. */
  readonly freed: {
    readonly manifests: number;
    readonly blobs: number;
    readonly bytes: number;
    /** The first 1000 of them. */
    readonly items: readonly DisposableContent[];
  };
}

/** Gathers what becomes of links, in bounded memory. */
export class LinkTally {
  readonly removed: ReportedLink<'unreachable'>[] = [];
  readonly kept: ReportedLink<LinkKeepReason>[] = [];
  readonly keptTotal: Record<LinkKeepReason, number> = { leased: 0, tagged: 0, needed: 0, changed: 0 };

  constructor(readonly listKept: boolean) {}

  remove(link: ContentLink): void {
    if (this.removed.length < MAX_REPORTED) this.removed.push(reportedLink(link, 'unreachable', []));
  }

  keep(link: ContentLink, reason: LinkKeepReason, keptBy: readonly string[]): void {
    this.keptTotal[reason] += 1;
    if (this.listKept && this.kept.length < MAX_REPORTED) this.kept.push(reportedLink(link, reason, keptBy));
  }
}

/** Gathers which content is freed, in bounded memory. */
export class ContentTally {
  readonly items: DisposableContent[] = [];

  free(items: readonly DisposableContent[]): void {
    this.items.push(...items.slice(0, MAX_REPORTED - this.items.length));
  }
}

/** Gathers what the tag step decides, in bounded memory. */
export class TagTally {
  readonly expired: ReportedTag<ExpireReason>[] = [];
  readonly keptTags: ReportedTag<KeepReason>[] = [];
  /** The manifests of tags that went, for whoever plans on; the first hundred thousand. */
  readonly left: ManifestKey[] = [];
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

  /**
   * @param listKept name the tags that stay, too
   * @param goesOn keep the manifests of those that go
   */
  constructor(
    readonly listKept: boolean,
    private readonly goesOn = listKept,
  ) {}

  get held(): readonly HeldUpstream[] {
    return [...this.#held.values()];
  }

  expire(tag: ExpirableTag, reason: ExpireReason): void {
    this.expiredTotal += 1;
    if (this.expired.length < MAX_REPORTED) this.expired.push(reportedTag(tag, reason));
    if (this.goesOn && this.left.length < MAX_LEFT) this.left.push({ repository: tag.repository, digest: tag.digest });
  }

  keep(tag: ExpirableTag, reason: KeepReason): void {
    this.kept[reason] += 1;
    if (this.listKept && this.keptTags.length < MAX_REPORTED) this.keptTags.push(reportedTag(tag, reason));
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

function reportedLink<Reason extends string>(
  link: ContentLink,
  reason: Reason,
  keptBy: readonly string[],
): ReportedLink<Reason> {
  const { organization, name, upstream } = link.repository;
  return {
    organization,
    repository: name,
    ...(upstream === undefined ? {} : { upstream }),
    kind: link.kind,
    digest: link.digest,
    reason,
    usedAt: link.usedAt,
    ...(keptBy.length === 0 ? {} : { keptBy: keptBy.slice(0, MAX_KEEPERS) }),
  };
}
