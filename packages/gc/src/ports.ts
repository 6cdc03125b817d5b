import type { ContentLink, Digest, OrganizationName, Reference, Repository } from '@breakwater/registry-core';

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

/** A page of expirable tags. */
export interface ExpirableTagPage {
  readonly tags: readonly ExpirableTag[];
  /** Where to go on; `undefined` at the end. Opaque. */
  readonly next: string | undefined;
}

/** Whoever owns the cached tags: it lists them, removes them, and knows which manifests they need. */
export interface ExpirableTags {
  list(cursor: string | undefined, limit: number): Promise<ExpirableTagPage>;
  /** Removes those that are still exactly as they were listed (same confirmedAt and lastUsedAt). One boolean each. */
  expire(tags: readonly ExpirableTag[]): Promise<readonly boolean[]>;
  /** Which of these manifest links a cached tag (or digest use) still points to. One boolean each. */
  needs(links: readonly ContentLink[]): Promise<readonly boolean[]>;
}

/** What is known of an upstream. Times are ms since the epoch. */
export interface UpstreamCondition {
  readonly down: boolean;
  readonly downSince?: number;
  /** When it was last asked anything, whatever came of it. */
  readonly lastHeardAt?: number;
}

/** Whoever watches over the upstreams. */
export interface UpstreamState {
  condition(organization: OrganizationName, upstream: string): Promise<UpstreamCondition>;
  /** One fresh check of the upstream now; resolves to the condition after it. */
  check(organization: OrganizationName, upstream: string): Promise<UpstreamCondition>;
}
