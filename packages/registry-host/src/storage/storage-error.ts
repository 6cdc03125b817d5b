import { FAILURE_CLASSES, isRegistryError, RegistryError } from '@breakwater/registry-core';

/**
 * - `STORE_UNMOUNTED`: the directory is not the store that belongs to the database: a bare mount point, or another's.
 * - `STORE_FAILED`: the file system refused: full, read-only, broken, not permitted.
 * - `STORE_STALLED`: the file system did not answer in time.
 * - `CONTENT_DAMAGED`: one object is missing, of a wrong size, or not what its digest says.
 */
export type StorageProblem = 'STORE_UNMOUNTED' | 'STORE_FAILED' | 'STORE_STALLED' | 'CONTENT_DAMAGED';

/** Codes that speak of one file and not of this moment: what cannot be read now will not be readable when asked again. */
const UNREADABLE_CODES = new Set(['EIO', 'EACCES', 'EPERM', 'EUCLEAN', 'EBADMSG']);
/** The process, or the machine, has no descriptor left. */
const BUSY_CODES = new Set(['EMFILE', 'ENFILE']);

/**
 * The failure class `storage`, as a client may see it: RegistryError UNAVAILABLE, whose detail has the reason "storage"
 * and the problem. So a failure of the store is never taken for a miss or a fault of the request, whoever lets it through.
 */
export function storageError(problem: StorageProblem, message: string, cause?: unknown): RegistryError {
  const { status, phrase } = FAILURE_CLASSES.storage;
  return new RegistryError('UNAVAILABLE', message, {
    status,
    reasonPhrase: phrase,
    headers: { 'retry-after': '5' },
    detail: { reason: 'storage', problem },
    cause,
  });
}

/**
 * Runs file system work; what the file system refuses is thrown as `storageError`. The message names no path.
 *
 * @throws RegistryError UNAVAILABLE (detail.problem "STORE_FAILED"; detail.reason "overload" when there is no descriptor)
 */
export async function callStorage<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asStorageError(doing, error);
  }
}

/** What file system work failed with, as `callStorage` throws it. */
export function asStorageError(doing: string, error: unknown): RegistryError {
  if (isRegistryError(error)) return error;
  const code = errorCode(error);
  const message = `${doing} failed${code === '' ? '' : ` with ${code}`}`;
  if (!BUSY_CODES.has(code)) return storageError('STORE_FAILED', message, error);
  const { status, phrase } = FAILURE_CLASSES.overload;
  return new RegistryError('UNAVAILABLE', message, {
    status,
    reasonPhrase: phrase,
    detail: { reason: 'overload' },
    headers: { 'retry-after': '5' },
    cause: error,
  });
}

/** What a call fails with that the file system has not answered. */
export function storeStalled(longestMs: number): RegistryError {
  return storageError('STORE_STALLED', `the file system has not answered for ${longestMs / 1000} s`);
}

/** True when it is one object that is damaged, and no more. */
export function isContentDamaged(error: unknown): boolean {
  return isRegistryError(error) && error.detail?.['problem'] === ('CONTENT_DAMAGED' satisfies StorageProblem);
}

/** True for the failures of a file system that say of this one file that it cannot be read. */
export function isUnreadable(error: unknown): boolean {
  return UNREADABLE_CODES.has(errorCode(error));
}

/** The code of a failure of node's own, ENOENT say; '' when it has none. */
export function errorCode(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : '';
}
