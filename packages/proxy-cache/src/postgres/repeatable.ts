import { callDatabase } from '@breakwater/registry-core';

/**
 * Waits for a statement that may be done twice: it is made again when the server ended the session (F95) or broke a tie
 * (F97). A database that cannot be used is our own outage, not the upstream's (I7).
 *
 * @throws RegistryError UNAVAILABLE with reason `database`
 */
export function repeatable<T>(statement: () => PromiseLike<T>): Promise<T> {
  return callDatabase(statement, { idempotent: true });
}
