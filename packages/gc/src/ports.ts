import type {
  CollectionRun,
  ContentSweep,
  Digest,
  LinkKey,
  OrganizationName,
  Reference,
  Repository,
  RepositoryName,
  SweepCandidates,
  SweepQueue,
} from '@breakwater/registry-core';

/** A cached tag, or content that is used by digest only, together with the facts that decide whether it may go. */
export interface ExpirableTag {
  readonly repository: Repository;
  /** The tag; a digest for content which is pulled by digest and which no tag stands for. */
  readonly reference: Reference;
  /** The manifest that it points to. */
  readonly digest: Digest;
  /** When the upstream last answered positively for it, ms since the epoch. */
  readonly confirmedAt: number;
  /** When it was last pulled, ms since the epoch. */
  readonly lastUsedAt: number;
  readonly stalenessPeriodS: number;
  /** How long after its last use it is kept. 0 = for ever; absent = the staleness period alone decides. */
  readonly expirationS?: number;
  readonly pinned: boolean;
}

/** All that one organization has cached from one upstream. */
export interface UpstreamOf {
  readonly organization: OrganizationName;
  readonly upstream: string;
}

/** Which expirable tags to list. */
export interface ExpirableTagQuery {
  readonly organization?: OrganizationName | undefined;
  /**
   * Tags of which the rule can only say that they stay at this time (ms since the epoch) may be left out. Whoever leaves
   * them out by an index makes a run cost as much as what is due, and not as much as what is stored.
   */
  readonly dueAt?: number | undefined;
  /** With `dueAt`: what came from these may be left out. */
  readonly except?: readonly UpstreamOf[] | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

/** A page of expirable tags. It may be empty before the end. */
export interface ExpirableTagPage {
  readonly tags: readonly ExpirableTag[];
  /** Where to go on; `undefined` at the end. Opaque. */
  readonly next: string | undefined;
}

/** A manifest of a repository. */
export interface ManifestKey {
  readonly repository: Repository;
  readonly digest: Digest;
}

/** Whoever owns the cached tags: it lists them, removes them, and knows what they point to. */
export interface ExpirableTags {
  list(query: ExpirableTagQuery): Promise<ExpirableTagPage>;
  /**
   * Removes those that are still exactly as they were listed (same confirmedAt and lastUsedAt). One boolean each.
   * @throws an error with code COLLECTION_SUPERSEDED when a later run has removed something already
   */
  expire(tags: readonly ExpirableTag[], run: CollectionRun): Promise<readonly boolean[]>;
  /** The tags (and uses by digest) that point to each of these manifests; of tags at most `most` each need be named. */
  pointingTo(manifests: readonly ManifestKey[], most: number): Promise<readonly (readonly ExpirableTag[])[]>;
}

/** Whoever finds cached tags by the names that people give them. */
export interface NamedTags {
  /** The cached tag, or the use by digest, of that name: one for each upstream that it came from. */
  named(of: {
    readonly organization: OrganizationName;
    readonly repository: RepositoryName;
    readonly reference: Reference;
  }): Promise<readonly ExpirableTag[]>;
}

/** Content in the store. */
export interface StoredItem {
  readonly kind: LinkKey['kind'];
  /** Bytes. */
  readonly size: number;
  /** How many repositories link to it. Without any it is freed by the next run. */
  readonly links: number;
}

/** Whoever finds content by its digest. */
export interface StoredContent {
  /**
   * What is stored under a digest, and the links to it.
   * @param within only links of this repository, whatever its upstream
   * @param most the most links to name
   */
  find(
    digest: Digest,
    within: Pick<Repository, 'organization' | 'name'> | undefined,
    most: number,
  ): Promise<{
    readonly stored: readonly StoredItem[];
    readonly links: readonly LinkKey[];
    readonly linksTotal: number;
  }>;
}

/** Word that a cached tag has left a manifest. */
export interface ReleasedManifest extends ManifestKey {
  /** Of the word: there may be several about one manifest. */
  readonly id: string;
}

/** The manifests that cached tags have left, whether they moved or are gone. Nothing is lost while nobody collects. */
export interface ReleasedManifests {
  list(
    cursor: string | undefined,
    limit: number,
  ): Promise<{ readonly manifests: readonly ReleasedManifest[]; readonly next: string | undefined }>;
  /** Takes out what somebody else has on record by now. */
  forget(ids: readonly string[]): Promise<void>;
}

/** The most bytes that an organization keeps of its upstream. */
export interface Quota extends UpstreamOf {
  readonly quotaBytes: number;
}

/** Whoever knows quotas, and which tags were used when. */
export interface QuotaTags {
  quotas(
    organization: OrganizationName | undefined,
    cursor: string | undefined,
  ): Promise<{ readonly quotas: readonly Quota[]; readonly next: string | undefined }>;
  /**
   * Tags, pinned ones left out, and uses by digest, that were last used before a time, the longest ago first; with `after`
   * those that come after one of them.
   */
  leastRecentlyUsed(
    of: UpstreamOf,
    usedBefore: number,
    limit: number,
    after?: ExpirableTag,
  ): Promise<readonly ExpirableTag[]>;
}

/** What is known of an upstream. Times are ms since the epoch. */
export interface UpstreamCondition {
  /** Nothing can be had of it. */
  readonly down: boolean;
  readonly downSince?: number;
  /** When it last answered. */
  readonly lastHeardAt?: number;
}

/** Whoever watches over the upstreams. */
export interface UpstreamState {
  condition(organization: OrganizationName, upstream: string): Promise<UpstreamCondition>;
  /** One fresh check of the upstream now; resolves to the condition after it, to `undefined` when nothing could be asked. */
  check(organization: OrganizationName, upstream: string): Promise<UpstreamCondition | undefined>;
}

/** Whoever knows whether the store is there. */
export interface StoreReadiness {
  /** Resolves when it is; rejects when it is not mounted, belongs to another database, or cannot be read. */
  check(): Promise<void>;
}

/** The host's links: which to look at, what is known of them, and their removal. */
export type LinkSweep = ContentSweep & SweepCandidates & Partial<SweepQueue>;
