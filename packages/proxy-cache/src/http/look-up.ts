import type { ProxyCacheSettings } from '@breakwater/registry-core';
import { upstreamDisplayName } from '../upstream/endpoint.js';
import { isUpstreamError, type UpstreamError } from '../upstream/upstream-error.js';
import { pullFailure } from './pull-failure.js';

/**
 * A pull as the look-up of a host that keeps its own routes: a miss where the upstream does not have it either, and a
 * failure of the upstream, which is told of, as the error that a client may see.
 *
 * @throws RegistryError
 */
export async function lookUp<T>(
  settings: ProxyCacheSettings,
  kind: 'manifest' | 'blob',
  pull: () => Promise<T>,
  tell: (error: UpstreamError) => void,
): Promise<T | undefined> {
  try {
    return await pull();
  } catch (error) {
    if (!isUpstreamError(error)) throw error;
    if (error.failureClass === 'removed') return undefined;
    tell(error);
    throw pullFailure(error, {
      kind,
      hasCredentials: settings.credentials !== undefined,
      upstreamName: upstreamDisplayName(settings.upstream),
    });
  }
}
