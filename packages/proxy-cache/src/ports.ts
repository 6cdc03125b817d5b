import type { Digest, OrganizationName, Repository, RepositoryName, Tag } from '@breakwater/registry-core';

/** A network address that a name resolved to. */
export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** Resolves a host name to all of its addresses; rejects when it has none. */
export type Lookup = (hostname: string) => Promise<readonly ResolvedAddress[]>;

/** A repository together with the upstream that its content comes from. */
export type ProxiedRepository = Repository & { readonly upstream: string };

/** A tag of a proxied repository. */
export interface TagKey {
  readonly repository: ProxiedRepository;
  readonly tag: Tag;
}

/** The host's organizations, hosted and proxied alike. */
export interface OrganizationDirectory {
  exists(organization: OrganizationName): Promise<boolean>;
}

/** A manifest in a repository of an upstream. */
export interface HeldManifest {
  readonly repository: RepositoryName;
  readonly digest: Digest;
}

/** What would no longer be held, and what else is held in the same repositories. */
export interface FootprintQuestion {
  readonly organization: OrganizationName;
  readonly upstream: string;
  readonly going: readonly HeldManifest[];
  readonly staying: readonly HeldManifest[];
}

/** What becomes of the store. */
export interface FootprintBytes {
  /** Bytes of manifests and blobs that nothing needs then. */
  readonly freed: number;
  /** Bytes of what goes that something else needs as well: other tags, repositories or organizations. */
  readonly shared: number;
}

/** What the host's store would free. */
export interface ContentFootprint {
  /** Changes nothing. @throws RegistryError UNAVAILABLE */
  freedBy(question: FootprintQuestion): Promise<FootprintBytes>;
}

/** The most bytes that an organization keeps of its upstream. */
export interface Quota {
  readonly organization: OrganizationName;
  readonly upstream: string;
  readonly quotaBytes: number;
}

/** Whoever keeps quotas. */
export interface StorageQuota {
  /**
   * Room for so many bytes, there now or once garbage collection has made it; `undefined` = none, for what is stored may
   * not be taken. What it resolves to is called in the end with whether they were stored.
   */
  reserve(of: Quota, bytes: number): Promise<((isStored: boolean) => void) | undefined>;
  /** How many bytes are stored, and whether not one more would be. */
  state(of: Quota): Promise<{ readonly usedBytes: number; readonly isFull: boolean }>;
}

/** Whoever collects garbage, and does not while an upstream is down. */
export interface RetentionHolds {
  /** That nothing goes of what an organization has of an upstream. Times are ms since the epoch, absent if not known. */
  hold(
    organization: OrganizationName,
    upstream: string,
  ): Promise<{ readonly reason: string; readonly since?: number; readonly until?: number } | undefined>;
}

/** Where is written down what administrators do. */
export interface AuditLog {
  /** @throws RegistryError UNAVAILABLE */
  record(
    organization: OrganizationName,
    entry: { readonly kind: string; readonly performedBy: string; readonly changes: Readonly<Record<string, unknown>> },
  ): Promise<void>;
}
