import { isRegistryError } from '@breakwater/registry-core';

/**
 * - `STORE_UNMOUNTED`: the directory is not the store that belongs to the database: a bare mount point, or another's.
 * - `STORE_FAILED`: the file system refused: full, read-only, broken, not permitted.
 */
export type StorageErrorCode = 'STORE_UNMOUNTED' | 'STORE_FAILED';

/** The blob store cannot do its work. It belongs to the failure class `storage`; tell it by `code`. */
export class StorageError extends Error {
  constructor(
    readonly code: StorageErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'StorageError';
  }
}

/** True for a StorageError, also of another copy of this package. */
export function isStorageError(error: unknown): error is StorageError {
  const candidate = error as Partial<StorageError> | null | undefined;
  return (
    candidate?.name === 'StorageError' && (candidate.code === 'STORE_UNMOUNTED' || candidate.code === 'STORE_FAILED')
  );
}

/**
 * Runs file system work; what the file system refuses is thrown as StorageError STORE_FAILED. Its message names no path.
 *
 * @throws StorageError STORE_FAILED
 */
export async function callStorage<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isStorageError(error) || isRegistryError(error)) throw error;
    const code = errorCode(error);
    throw new StorageError('STORE_FAILED', `${doing} failed${code === '' ? '' : ` with ${code}`}`, { cause: error });
  }
}

/** The code of a failure of node's own, ENOENT say; '' when it has none. */
export function errorCode(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : '';
}
