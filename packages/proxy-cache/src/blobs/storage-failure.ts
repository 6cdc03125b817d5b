import { FAILURE_CLASSES, isRegistryError, RegistryError } from '@breakwater/registry-core';

/** A failure of our own disk, as a client may see it: class `storage`. */
export function storageFailure(cause?: unknown): RegistryError {
  const { status, phrase } = FAILURE_CLASSES.storage;
  return new RegistryError('UNAVAILABLE', 'the disk that the registry keeps blobs on has failed', {
    status,
    detail: { reason: 'storage' },
    headers: { 'retry-after': '5' },
    reasonPhrase: phrase,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The disk of the spool does not answer (F125). */
export function spoolStalled(longestMs: number): RegistryError {
  return storageFailure(new Error(`the file system of the spool has not answered for ${longestMs / 1000} s`));
}

/** A blob is larger than what is free on the disk (S37): it is given to clients all the same, and not stored. */
export function noSpace(bytes: number, freeBytes: number): RegistryError {
  return storageFailure(new Error(`a blob of ${bytes} bytes is larger than the ${freeBytes} bytes that are free`));
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

/**
 * Whether a read of the host's store was given up and may still fill its buffer at any time: then nothing else may be read
 * into that.
 */
export function mayStillRead(error: unknown): boolean {
  return isRegistryError(error) && error.detail?.['problem'] === 'STORE_STALLED';
}
