import type { Digest, OrganizationName, Reference, RepositoryName } from '@breakwater/registry-core';

/** An image to warm: a repository of the organization, and a tag or a digest in it. */
export interface WarmImage {
  readonly repository: RepositoryName;
  readonly reference: Reference;
}

/** What is asked for. */
export interface NewWarmRequest {
  readonly organization: OrganizationName;
  readonly upstream: string;
  readonly requestedBy: string;
  readonly images: readonly WarmImage[];
  /** Platforms of an index, `linux/amd64` say; all of them without. */
  readonly platforms: readonly string[] | undefined;
}

/**
 * - `waiting`: its manifest is still to be fetched
 * - `fetching`: what the image misses is on its way
 * - `done`: the image is complete
 * - `failed`: it never will be, by this request
 */
export type WarmState = 'waiting' | 'fetching' | 'done' | 'failed';

/** How far an image is. Bytes as the manifests say them. */
export interface WarmProgress extends WarmImage {
  readonly state: WarmState;
  /** What is known to be missing; more can be found as the manifests of an index come in. */
  readonly missing: number;
  readonly missingBytes: number;
  /** What was fetched for it in the background. */
  readonly fetchedBytes: number;
  readonly failure?: WarmFailure;
}

/** Why an image could not be warmed: a failure class or `too_large`, and a sentence. */
export interface WarmFailure {
  readonly reason: string;
  readonly message: string;
}

/** A request and how far it is. Times are ms since the epoch. */
export interface WarmRequest {
  readonly id: string;
  readonly requestedBy: string;
  readonly requestedAt: number;
  readonly images: readonly WarmProgress[];
}

/** An image whose manifest is to be fetched, claimed by a process. */
export interface ClaimedWarmImage extends WarmImage {
  readonly id: string;
  readonly position: number;
  readonly organization: OrganizationName;
  readonly upstream: string;
  readonly platforms: readonly string[] | undefined;
  readonly attempts: number;
}

/** The manifests of an image whose completion is under way. */
export type WarmManifests = readonly [root: Digest, ...platforms: Digest[]];
