import type {
  Digest,
  ManifestMediaType,
  OrganizationName,
  Repository,
  RepositoryName,
  Tag,
} from '@breakwater/registry-core';
import type { WriteCondition } from './write-condition.js';

/** What takes content out of hosted repositories. Each is false when there was nothing to take out. */
export interface ContentRemoval {
  removeTag(repository: Repository, tag: Tag): Promise<boolean>;
  /** Also takes away the tags that point at it. */
  removeManifest(repository: Repository, digest: Digest): Promise<boolean>;
  removeBlob(repository: Repository, digest: Digest): Promise<boolean>;
}

/** What links blobs that are stored already to another repository. */
export interface BlobMounts {
  /** Links the blob to a repository if `from` may serve it; false when it may not. */
  mount(repository: Repository, from: Repository, digest: Digest): Promise<boolean>;
  /** Hosted repositories of the organization that may serve the blob, at most `limit`. */
  holders(organization: OrganizationName, digest: Digest, limit: number): Promise<readonly RepositoryName[]>;
}

/** What says which of the content that a manifest needs is not in its repository. */
export interface RepositoryContent {
  missing(repository: Repository, kind: 'manifest' | 'blob', digests: readonly Digest[]): Promise<readonly Digest[]>;
}

/** A manifest that refers to another one by its `subject`. */
export interface Referrer {
  readonly digest: Digest;
  readonly mediaType: ManifestMediaType;
  /** Bytes. */
  readonly size: number;
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

/** Where referrers are looked up. */
export interface ReferrerLists {
  /** Referrers of a manifest in order of their digests, after `last`, at most `limit`, of one type or of all. */
  referrers(
    repository: Repository,
    subject: Digest,
    page: { readonly artifactType: string | undefined; readonly last: string | undefined; readonly limit: number },
  ): Promise<{ readonly referrers: readonly Referrer[]; readonly more: boolean }>;
}

/** What points tags at manifests. */
export interface TagPointing {
  /** False when the repository has no such manifest. */
  point(repository: Repository, tag: Tag, digest: Digest): Promise<boolean>;
  /**
   * Points a tag at a manifest, or with `undefined` takes it away, if it is then as `condition` wants it: what comes in
   * between is not overwritten.
   */
  move(
    repository: Repository,
    tag: Tag,
    condition: WriteCondition,
    to: Digest | undefined,
  ): Promise<'moved' | 'no manifest' | 'changed'>;
}
