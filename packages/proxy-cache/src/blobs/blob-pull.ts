import { type Digest, isRegistryError, type ProxyCacheSettings } from '@breakwater/registry-core';
import { type Emit, type RequestIdSource, requestFacts } from '../events.js';
import type { ProxiedRepository } from '../ports.js';

/** One pull of a blob. */
export interface BlobPull {
  readonly settings: ProxyCacheSettings;
  readonly repository: ProxiedRepository;
  readonly digest: Digest;
  readonly requestId: RequestIdSource | undefined;
}

/** Tells that a blob reaches its clients and is not kept. */
export function tellNotStored(emit: Emit, { repository, digest, requestId }: BlobPull, error: unknown): void {
  const reason = isRegistryError(error) ? error.detail?.['reason'] : 'storage';
  emit('not-stored', {
    organization: repository.organization,
    repository: repository.name,
    reference: digest,
    failureClass: reason === 'database' || reason === 'overload' || reason === 'quota' ? reason : 'storage',
    ...requestFacts(requestId),
  });
}
