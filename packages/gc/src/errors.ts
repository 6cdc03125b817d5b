/**
 * Why a collector refuses or gives up.
 *
 * - `GC_RUNNING`: another run is in flight, in this process or in the cluster.
 * - `GC_STOPPED`: the collector was stopped.
 * - `GC_LEASE_LOST`: the run made no progress for so long that another process took over; it must not delete any more.
 * - `GC_UNAVAILABLE`: the run could not begin, and nothing was done. `cause` says why.
 * - `GC_TIMEOUT`: something that was asked did not answer in time.
 * - `GC_PROTOCOL`: a port broke its contract, so that its answers cannot be trusted with a deletion.
 * - `GC_NO_ORGANIZATION`: a run was asked for of something that cannot be the name of an organization.
 * - `GC_NO_REFERENCE`: an explanation was asked for of something that can be neither a tag nor a digest.
 * - `GC_UNKNOWN_REFERENCE`: an explanation was asked for of something that is not there.
 * - `GC_OPTIONS_INVALID`: the collector was built with an option out of bounds.
 */
export type GcErrorCode =
  | 'GC_RUNNING'
  | 'GC_STOPPED'
  | 'GC_LEASE_LOST'
  | 'GC_UNAVAILABLE'
  | 'GC_TIMEOUT'
  | 'GC_PROTOCOL'
  | 'GC_OPTIONS_INVALID'
  | 'GC_NO_ORGANIZATION'
  | 'GC_NO_REFERENCE'
  | 'GC_UNKNOWN_REFERENCE';

/** A failure of the collector itself. Tell it by `code`, never by `instanceof`. */
export class GcError extends Error {
  constructor(
    readonly code: GcErrorCode,
    message: string,
    options?: { readonly cause: unknown },
  ) {
    super(message, options);
    this.name = 'GcError';
  }
}

/**
 * The class of any failure: what its detail calls the problem, its `code` where it has one, else its name. Safe to show: it
 * holds no message.
 */
export function errorClass(error: unknown): string {
  const { code, name, detail } = (error ?? {}) as Readonly<Record<'code' | 'name' | 'detail', unknown>>;
  const { problem } = (detail ?? {}) as { readonly problem?: unknown };
  if (typeof problem === 'string') return problem;
  if (typeof code === 'string') return code;
  return typeof name === 'string' ? name : 'unknown';
}

/** What a failure says of itself, for the log. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
