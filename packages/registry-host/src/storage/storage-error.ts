import { FAILURE_CLASSES, isRegistryError, RegistryError } from '@breakwater/registry-core';

/**
 * - `STORE_UNMOUNTED`: the directory is not the store that belongs to the database: a bare mount point, or another's.
 * - `STORE_FAILED`: the file system refused: full, read-only, broken, not permitted.
 */
export type StorageProblem = 'STORE_UNMOUNTED' | 'STORE_FAILED';

/**
 * The failure class `storage`, as a client may see it: RegistryError UNAVAILABLE, whose detail has the reason "storage"
 * and the problem. So a failure of the store is never taken for a miss or a fault of the request, whoever lets it through.
 */
export function storageError(problem: StorageProblem, message: string, cause?: unknown): RegistryError {
  const { status, phrase } = FAILURE_CLASSES.storage;
  return new RegistryError('UNAVAILABLE', message, {
    status,
    reasonPhrase: phrase,
    detail: { reason: 'storage', problem },
    cause,
  });
}

/**
 * Runs file system work; what the file system refuses is thrown as `storageError`. The message names no path.
 *
 * @throws RegistryError UNAVAILABLE (detail.problem "STORE_FAILED")
 */
export async function callStorage<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isRegistryError(error)) throw error;
    const code = errorCode(error);
    throw storageError('STORE_FAILED', `${doing} failed${code === '' ? '' : ` with ${code}`}`, error);
  }
}

/** The code of a failure of node's own, ENOENT say; '' when it has none. */
export function errorCode(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : '';
}
