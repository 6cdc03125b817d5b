import type { OrganizationName, Repository, Tag } from '@breakwater/registry-core';

export type {
  Access,
  BlobStore,
  Clock,
  Logger,
  ManifestStore,
  ProxyCacheSettings,
  ProxyCacheSettingsReader,
} from '@breakwater/registry-core';

/** A network address that a name resolved to. */
export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** Resolves a host name to all of its addresses; rejects when it has none. */
export type Lookup = (hostname: string) => Promise<readonly ResolvedAddress[]>;

/** A tag of a proxied repository. */
export interface TagKey {
  readonly repository: Repository & { readonly upstream: string };
  readonly tag: Tag;
}

/** A repository together with the upstream that its content comes from. */
export type ProxiedRepository = Repository & { readonly upstream: string };

/** Says which organization an event is about. */
export interface OrganizationScope {
  readonly organization: OrganizationName;
}
