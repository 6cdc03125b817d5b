import { isRegistryError, RegistryError } from '@breakwater/registry-core';

/** Waits for a statement that a client's answer depends on; its failure is our own outage, not the upstream's (I7). */
export async function orUnavailable<T>(statement: PromiseLike<T>): Promise<T> {
  try {
    return await statement;
  } catch (cause) {
    if (isRegistryError(cause)) throw cause;
    throw new RegistryError('UNAVAILABLE', 'the registry cannot reach its database', {
      detail: { reason: 'database' },
      headers: { 'retry-after': '5' },
      reasonPhrase: 'Registry Database Unavailable',
      cause,
    });
  }
}
