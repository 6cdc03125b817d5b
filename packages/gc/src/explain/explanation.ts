import type { Digest, LinkKey, Repository, Tag } from '@breakwater/registry-core';
import type { HoldState } from '../holds.js';
import type { ExpirableTag, StoredItem } from '../ports.js';
import type { LinkKeepReason } from '../report.js';
import type { TagDecision } from '../steps/judge-tags.js';

/** Why something goes or stays, if a run began now. Quotas aside: what those take depends on everything else. */
export interface Explanation {
  /** ms since the epoch. */
  readonly explainedAt: number;
  /** The cached tag, or use by digest, of that name: one for each upstream. */
  readonly tags: readonly ExplainedTag[];
  /** What is stored under the digest. */
  readonly stored: readonly StoredItem[];
  /** The links to it, the first 20. */
  readonly links: readonly ExplainedLink[];
  readonly linksTotal: number;
}

/** A cached tag, or a use by digest, and what the rule says of it. */
export interface ExplainedTag {
  readonly tag: ExpirableTag;
  /** Since the upstream last confirmed it, ms. */
  readonly ageMs: number;
  /** Whether the outage of its upstream holds it back. */
  readonly hold: HoldState;
  readonly verdict: TagDecision;
}

/** A link from a repository, and what the sweep would say of it. */
export interface ExplainedLink {
  readonly repository: Repository;
  readonly kind: LinkKey['kind'];
  readonly usedAt: number;
  /** How long its lease still keeps it, ms; 0 without one. */
  readonly leaseLeftMs: number;
  readonly referencedBy: {
    /** How many there are; at least that many when there are `more`. */
    readonly total: number;
    readonly more: boolean;
    /** Of each sort the first 20. */
    readonly cachedTags: readonly ExplainedTag[];
    readonly hostedTags: readonly Tag[];
    readonly manifests: readonly Digest[];
  };
  readonly verdict:
    | { readonly action: 'remove'; readonly reason: 'unreachable' }
    | { readonly action: 'keep'; readonly reason: LinkKeepReason };
}
