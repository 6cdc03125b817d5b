import { FAILURE_CLASSES, isRegistryError, RegistryError } from '@breakwater/registry-core';

/** A failure of our own disk, as a client may see it: class `storage`. */
export function storageFailure(cause?: unknown): RegistryError {
  const { status, phrase } = FAILURE_CLASSES.storage;
  return new RegistryError('UNAVAILABLE', 'the registry cannot store the blob', {
    status,
    detail: { reason: 'storage' },
    headers: { 'retry-after': '5' },
    reasonPhrase: phrase,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The quota of the organization has no room: for whoever fetches behind clients, who get such a blob all the same. */
export function quotaFull(): RegistryError {
  return new RegistryError('UNAVAILABLE', 'the quota of the organization has no room for the blob', {
    status: FAILURE_CLASSES.storage.status,
    detail: { reason: 'quota' },
  });
}

/** True for what `quotaFull` makes. */
export function isQuotaFull(error: unknown): boolean {
  return isRegistryError(error) && error.detail?.['reason'] === 'quota';
}

/** Whether a disk of ours, the store's or the spool's, is what failed, and the upstream may have what is wanted. */
export function isStorageFailure(error: unknown): boolean {
  return isRegistryError(error) && error.code === 'UNAVAILABLE' && error.detail?.['reason'] === 'storage';
}
