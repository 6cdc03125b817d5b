import type { Digest, ProxyCacheSettings } from '@breakwater/registry-core';
import type { ProxiedRepository } from '../ports.js';

/**
 * Fetches content into the host's store, behind the pulls of clients. Both resolve when it is stored, and share the
 * download with whoever else wants it.
 */
export interface ContentFetch {
  /** @param bytes its size @throws UpstreamError, or RegistryError for failures of our own */
  blob(settings: ProxyCacheSettings, repository: ProxiedRepository, digest: Digest, bytes: number): Promise<void>;
  /** @throws UpstreamError, or RegistryError for failures of our own */
  manifest(settings: ProxyCacheSettings, repository: ProxiedRepository, digest: Digest): Promise<void>;
}
