import type { OrganizationName, Repository, Tag } from '@breakwater/registry-core';

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
