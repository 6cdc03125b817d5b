import { FAILURE_CLASSES, isRegistryError, RegistryError } from '@breakwater/registry-core';

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
/** What pg says without a code when a connection goes away or a query takes too long. knex puts the statement before it. */
const CONNECTION_MESSAGE =
  /(?:^| - )(?:Connection terminated(?: unexpectedly| due to connection timeout)?|Client (?:has encountered a connection error|was closed) and is not queryable|Query read timeout|timeout expired)$/;

/**
 * SQLSTATE classes that say the database cannot work now: connection, rollback by the server, resources, locks,
 * operator intervention (statement timeout included), system error.
 */
const UNAVAILABLE_STATE = /^(?:08|40|53|55|57|58|XX)/;
/** A standby that cannot be written to, a database that is not there, a password that is not accepted. */
const UNAVAILABLE_STATES = new Set(['25006', '3D000', '28P01', '28000']);
/** The server ended the session, or chose this transaction to break a tie: the next try has every chance. */
const RETRIED_STATES = new Set(['57P01', '40P01', '40001']);

/**
 * Runs a database call. What the database cannot do now is thrown as RegistryError UNAVAILABLE with
 * `detail.reason` "database"; a mistake in a statement stays the error that it is. An idempotent call is made once more
 * when the server ended the session or broke a tie between transactions.
 *
 * @throws RegistryError UNAVAILABLE
 */
export async function callDatabase<T>(work: () => Promise<T>, options: DatabaseCallOptions = {}): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (options.idempotent === true && RETRIED_STATES.has(codeOf(error))) {
      try {
        return await work();
      } catch (second) {
        throw databaseError(second);
      }
    }
    throw databaseError(error);
  }
}

/** True for the error that `callDatabase` throws when the database cannot work now. */
export function isDatabaseUnavailable(error: unknown): boolean {
  return isRegistryError(error) && error.code === 'UNAVAILABLE' && error.detail?.['reason'] === 'database';
}

function databaseError(error: unknown): unknown {
  if (isRegistryError(error) || !isUnavailable(error)) return error;
  return new RegistryError('UNAVAILABLE', 'the registry database is unavailable', {
    status: FAILURE_CLASSES.database.status,
    reasonPhrase: FAILURE_CLASSES.database.phrase,
    detail: { reason: 'database' },
    cause: error,
  });
}

function isUnavailable(error: unknown): boolean {
  const code = codeOf(error);
  const { name, message, syscall } = (error ?? {}) as { name?: unknown; message?: unknown; syscall?: unknown };
  // ENOENT of a unix socket is a database that is not there; of a file it is somebody else's affair.
  if (code === 'ENOENT') return syscall === 'connect';
  if (CONNECTION_CODES.has(code)) return true;
  if (/^[0-9A-Z]{5}$/.test(code)) return UNAVAILABLE_STATE.test(code) || UNAVAILABLE_STATES.has(code);
  if (name === 'KnexTimeoutError' || name === 'TimeoutError') return true;
  return typeof message === 'string' && CONNECTION_MESSAGE.test(message);
}

/** The code of an error, or of the first that an AggregateError of several dialled addresses holds. */
function codeOf(error: unknown): string {
  const { code, errors } = (error ?? {}) as { code?: unknown; errors?: unknown };
  if (typeof code === 'string') return code;
  return Array.isArray(errors) && errors.length > 0 ? codeOf(errors[0]) : '';
}
