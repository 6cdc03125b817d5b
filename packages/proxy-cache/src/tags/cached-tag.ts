import type { Digest } from '@breakwater/registry-core';

/** A tag of a proxy organization together with its clock facts. Times are milliseconds since the epoch. */
export interface CachedTag {
  readonly digest: Digest;
  /** When the upstream last answered positively for this tag and digest. Moves forward only. */
  readonly confirmedAt: number;
  readonly lastUsedAt: number;
  readonly pinned: boolean;
  /** The last complete image of the tag, kept while the one that it points to now is not complete (design 5.4). */
  readonly previous?: PreviousImage;
}

/** An image that a tag pointed to, with the confirmation that it had then. */
export interface PreviousImage {
  readonly digest: Digest;
  readonly confirmedAt: number;
}

/** What becomes of the previous image when a tag moves away from a digest: `undefined` = there is none to keep. */
export interface PreviousOnMove {
  readonly from: Digest;
  readonly previous: PreviousImage | undefined;
}
