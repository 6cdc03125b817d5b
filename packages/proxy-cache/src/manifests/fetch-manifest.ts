import {
  bareMediaType,
  digestAlgorithm,
  digestOf,
  isManifestMediaType,
  isRegistryError,
  isSchema1MediaType,
  parseManifest,
  type Reference,
  type RepositoryName,
  type StoredManifest,
} from '@breakwater/registry-core';
import { UpstreamError } from '../upstream/upstream-error.js';
import type { UpstreamManifest, UpstreamRegistry } from '../upstream/upstream-registry.js';

/**
 * Fetches a manifest and makes sure of it before anybody sees it: its bytes hash to the digest that was asked for or
 * claimed, and it is a manifest that every client reads the same way.
 *
 * @throws UpstreamError, class `integrity` for wrong bytes, `protocol` for what is not a manifest
 */
export async function fetchManifest(
  upstream: UpstreamRegistry,
  name: RepositoryName,
  reference: Reference,
  signal: AbortSignal,
): Promise<StoredManifest> {
  const fetched = await upstream.getManifest(name, reference, signal);
  return reference.kind === 'digest' ? verified(fetched, reference.digest) : verified(fetched, fetched.claimedDigest);
}

function verified(fetched: UpstreamManifest, expected: StoredManifest['digest'] | undefined): StoredManifest {
  const digest = digestOf(fetched.bytes, expected === undefined ? 'sha256' : digestAlgorithm(expected));
  if (expected !== undefined && digest !== expected) {
    throw new UpstreamError('integrity', 'the upstream sent a manifest that does not match its digest');
  }
  return { digest, mediaType: mediaTypeOf(fetched), bytes: fetched.bytes };
}

function mediaTypeOf(fetched: UpstreamManifest): StoredManifest['mediaType'] {
  try {
    return parseManifest(fetched.bytes, fetched.contentType).mediaType;
  } catch (error) {
    if (!isRegistryError(error)) throw error;
    const message = `the upstream sent a manifest that cannot be used: ${error.message}`;
    const type = bareMediaType(fetched.contentType);
    throw new UpstreamError('protocol', message, {
      isOfContent: isManifestMediaType(type) || isSchema1MediaType(type),
    });
  }
}
