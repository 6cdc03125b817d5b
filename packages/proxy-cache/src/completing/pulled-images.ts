import type { ProxyCacheSettings, StoredManifest } from '@breakwater/registry-core';
import type { ProxiedRepository } from '../ports.js';

/** Hears of images that were pulled, or are to be as if they were: behind clients, and of each once in a while. */
export interface PulledImages {
  /** @throws RegistryError UNAVAILABLE when it cannot be noted */
  pulled(settings: ProxyCacheSettings, repository: ProxiedRepository, manifest: StoredManifest): Promise<void>;
}
