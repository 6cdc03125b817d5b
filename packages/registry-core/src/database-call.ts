import { FAILURE_CLASSES } from './failures.js';
import { isRegistryError, RegistryError } from './oci/errors.js';

/** Whether a statement, or a transaction, may simply be done again. */
export interface DatabaseCallOptions {
  /** Doing it twice has the effect of doing it once. Default false. */
  readonly idempotent?: boolean;
}

/** Socket errors of node. */
const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
]);
/**
 * What pg says without a code when a connection goes away or a query takes too long; knex puts the statement before it.
 * The first two are of knex, whose pool is being closed.
 */
const CONNECTION_MESSAGE =
  /(?:^| - )(?:Unable to acquire a connection|aborted|Connection terminated(?: unexpectedly| due to connection timeout)?|Client (?:has encountered a connection error|was closed) and is not queryable|Query read timeout|timeout expired)$/;

/**
 * SQLSTATE classes that say the database cannot work now: connection, rollback by the server, resources, locks,
 * operator intervention (statement timeout included), system error.
 */
const UNAVAILABLE_STATE = /^(?:08|40|53|55|57|58|XX)/;
/** A standby that cannot be written to, a database that is not there, a password that is not accepted. */
const UNAVAILABLE_STATES = new Set(['25006', '3D000', '28P01', '28000']);
/** How often an idempotent call is made again when transactions tied (F97), or the server ended the session (F95). */
const TIE_REPEATS = 3;
/** One, and one more because a pool may hand out the very session that has just ended. */
const ENDED_REPEATS = 2;
const TIES = new Set(['40P01', '40001']);
const ENDED_MESSAGE = /(?:^| - )Connection terminated unexpectedly$/;
const RETRY_AFTER_S = '5';

/**
 * Runs a database call. What the database cannot do now is thrown as RegistryError UNAVAILABLE with
 * `detail.reason` "database"; a mistake in a statement stays the error that it is. An idempotent call is made again
 * when the server ended the session, or broke a tie between transactions.
 *
 * @throws RegistryError UNAVAILABLE
 */
export async function callDatabase<T>(
  work: () => PromiseLike<T>,
  { idempotent = false }: DatabaseCallOptions = {},
): Promise<T> {
  for (let repeated = 0; ; repeated += 1) {
    try {
      return await work();
    } catch (error) {
      if (idempotent && repeated < repeatsAfter(error)) continue;
      throw isUnavailable(error) ? databaseUnavailable(error) : error;
    }
  }
}

function repeatsAfter(error: unknown): number {
  const code = codeOf(error);
  if (TIES.has(code)) return TIE_REPEATS;
  return code === '57P01' || ENDED_MESSAGE.test(messageOf(error)) ? ENDED_REPEATS : 0;
}

/** Our own database failed: it says nothing about the upstream, and is never taken for a miss (I7). */
export function databaseUnavailable(
  cause: unknown,
  { message = 'the registry database is unavailable', detail = {} }: DatabaseUnavailableOptions = {},
): RegistryError {
  const { status, phrase } = FAILURE_CLASSES.database;
  return new RegistryError('UNAVAILABLE', message, {
    status,
    detail: { reason: 'database', ...detail },
    headers: { 'retry-after': RETRY_AFTER_S },
    reasonPhrase: phrase,
    cause,
  });
}

export interface DatabaseUnavailableOptions {
  readonly message?: string;
  /** Beside the reason. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** True for the error that `callDatabase` throws when the database cannot work now. */
export function isDatabaseUnavailable(error: unknown): boolean {
  return isRegistryError(error) && error.code === 'UNAVAILABLE' && error.detail?.['reason'] === 'database';
}

function isUnavailable(error: unknown): boolean {
  if (isRegistryError(error)) return false;
  const code = codeOf(error);
  const { name, syscall } = (error ?? {}) as { name?: unknown; syscall?: unknown };
  // ENOENT of a unix socket is a database that is not there; of a file it is somebody else's affair.
  if (code === 'ENOENT') return syscall === 'connect';
  if (CONNECTION_CODES.has(code)) return true;
  if (/^[0-9A-Z]{5}$/.test(code)) return UNAVAILABLE_STATE.test(code) || UNAVAILABLE_STATES.has(code);
  if (name === 'KnexTimeoutError' || name === 'TimeoutError') return true;
  return CONNECTION_MESSAGE.test(messageOf(error));
}

function messageOf(error: unknown): string {
  const { message } = (error ?? {}) as { message?: unknown };
  return typeof message === 'string' ? message : '';
}

/** The code of an error, or of the first that an AggregateError of several dialled addresses holds. */
function codeOf(error: unknown): string {
  const { code, errors } = (error ?? {}) as { code?: unknown; errors?: unknown };
  if (typeof code === 'string') return code;
  return Array.isArray(errors) && errors.length > 0 ? codeOf(errors[0]) : '';
}
