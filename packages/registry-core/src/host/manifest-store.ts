import type { Digest } from '../oci/digest.js';
import type { ManifestMediaType } from '../oci/media-types.js';
import type { Repository } from '../oci/reference.js';

/** A manifest exactly as it was first received. */
export interface StoredManifest {
  readonly digest: Digest;
  readonly mediaType: ManifestMediaType;
  readonly bytes: Uint8Array;
}

/** Manifests of repositories. A repository serves only what is linked to it. */
export interface ManifestStore {
  /** The manifest, or `undefined` when the repository has none of that digest. Failures of the store throw. */
  get(repository: Repository, digest: Digest): Promise<StoredManifest | undefined>;
  /**
   * Stores the manifest and links it to the repository, which comes into being with its first link. Idempotent; doing
   * it again renews the lease of a manifest that is on its way to be collected.
   */
  put(repository: Repository, manifest: StoredManifest): Promise<void>;
}
