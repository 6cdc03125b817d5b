import type { Digest } from '@breakwater/registry-core';
import type { ProxiedRepository } from '../ports.js';

/** What can be listed of a repository: its tags, or what refers to one of its manifests. */
export type ListingKind = 'tags' | 'referrers';

/** Which page of which listing. */
export interface ListingKey {
  readonly repository: ProxiedRepository;
  readonly kind: ListingKind;
  /** The manifest that referrers are listed of; empty for tags. */
  readonly subject: Digest | '';
  /** The query that asked for the page, in one spelling. */
  readonly page: string;
}

/** The upstream's whole answer to the request for one page. */
export interface Listing {
  /** A JSON list of tags, or an OCI index as it came. */
  readonly body: string;
  /** The query that asks the upstream for the page after it. */
  readonly next?: string;
  /** Whether referrers are those of the type that was asked for only. */
  readonly filtered: boolean;
}

/** A page that is cached. Times are milliseconds since the epoch. */
export interface CachedListing extends Listing {
  /** When the upstream answered with it. Moves forward only. */
  readonly confirmedAt: number;
  readonly lastUsedAt: number;
}
