import type { Digest, UpstreamFailureClass } from '@breakwater/registry-core';
import type { ProxiedRepository } from '../ports.js';
import type { UpstreamError } from '../upstream/upstream-error.js';

/** Content that a manifest refers to. `size` is in bytes, as the manifest says it. */
export interface NeededContent {
  readonly digest: Digest;
  readonly kind: 'manifest' | 'blob';
  readonly size: number;
}

/**
 * - `queued`: fetched in the background when its turn comes
 * - `too_large`: its image is larger than the organization allows; left to clients
 * - `given_up`: tried in vain too often; queued again when its image is pulled again
 */
export type MissingState = 'queued' | 'too_large' | 'given_up';

/** Who asked for it. What only a pull wants is not fetched where prefetch is off. */
export type WantedBy = 'pull' | 'warm';

/** What is fetched first: the rest of pulled images, then what was asked for by hand, then other platforms. */
export const PRIORITIES = { pulled: 0, warmed: 1, otherPlatforms: 2 } as const;
export type Priority = (typeof PRIORITIES)[keyof typeof PRIORITIES];

/** One row: content that a stored manifest refers to and that the store does not hold. Times are ms since the epoch. */
export interface MissingContent extends NeededContent {
  readonly repository: ProxiedRepository;
  /** The manifests that refer to it. */
  readonly neededBy: readonly Digest[];
  readonly wantedBy: WantedBy;
  readonly priority: Priority;
  /** Most bytes that may be fetched for one image. */
  readonly maxBytes: number;
  readonly state: MissingState;
  /** How often the background has tried it in vain. */
  readonly attempts: number;
  readonly failure?: MissingFailure;
}

/** What the last attempt to fetch it failed with, whoever made it. */
export interface MissingFailure {
  readonly failureClass: UpstreamFailureClass;
  /** The origin that failed, where it was not the registry. */
  readonly origin?: string;
  readonly at: number;
}

/** What an attempt failed with. @param registry the origin of the registry itself */
export function missingFailure({ failureClass, origin }: UpstreamError, registry: string, at: number): MissingFailure {
  return { failureClass, at, ...(origin === undefined || origin === registry ? {} : { origin }) };
}
