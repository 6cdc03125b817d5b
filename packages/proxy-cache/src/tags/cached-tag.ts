import type { Digest } from '@breakwater/registry-core';

/** A tag of a proxy organization together with its clock facts. Times are milliseconds since the epoch. */
export interface CachedTag {
  readonly digest: Digest;
  /** When the upstream last answered positively for this tag and digest. Moves forward only. */
  readonly confirmedAt: number;
  readonly lastUsedAt: number;
  readonly pinned: boolean;
}
