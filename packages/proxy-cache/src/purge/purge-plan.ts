import type { Digest, OrganizationName, RepositoryName, Tag } from '@breakwater/registry-core';

/** What a purge takes. `unusedSince` is ms since the epoch: tags pulled last before it. */
export type PurgeTarget =
  | { readonly scope: 'all' }
  | { readonly scope: 'repository'; readonly repository: RepositoryName }
  | { readonly scope: 'tag'; readonly repository: RepositoryName; readonly tag: Tag }
  | { readonly scope: 'older_than'; readonly unusedSince: number };

export type PurgeScope = PurgeTarget['scope'];

/** A purge that has been previewed. Times are ms since the epoch. */
export interface PurgePlan {
  readonly id: string;
  readonly organization: OrganizationName;
  readonly upstream: string;
  readonly target: PurgeTarget;
  readonly madeAt: number;
}

/** A tag that a plan takes. */
export interface PurgedTag {
  readonly repository: RepositoryName;
  readonly tag: Tag;
  readonly digest: Digest;
}
