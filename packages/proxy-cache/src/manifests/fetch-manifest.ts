import {
  bareMediaType,
  digestAlgorithm,
  digestOf,
  isManifestMediaType,
  isRegistryError,
  isSchema1MediaType,
  LARGEST_MANIFEST_BYTES,
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
 * @throws UpstreamError, class `integrity` for wrong bytes, `protocol` for what is not a manifest that can be used
 */
export async function fetchManifest(
  upstream: UpstreamRegistry,
  name: RepositoryName,
  reference: Reference,
  signal: AbortSignal,
): Promise<StoredManifest> {
  const fetched = await upstream.getManifest(name, reference, signal);
  // Before its digest, which is not that of its bytes: signatures were left out of it.
  if (isSchema1MediaType(bareMediaType(fetched.contentType))) throw schema1();
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
    // How much is too much was decided while it was read.
    return parseManifest(fetched.bytes, fetched.contentType, LARGEST_MANIFEST_BYTES).mediaType;
  } catch (error) {
    if (!isRegistryError(error)) throw error;
    if (error.detail?.['schema_version'] === 1) throw schema1();
    const message = `the upstream sent a manifest that cannot be used: ${error.message}`;
    const type = bareMediaType(fetched.contentType);
    throw new UpstreamError('protocol', message, { isOfContent: isManifestMediaType(type) });
  }
}

function schema1(): UpstreamError {
  return new UpstreamError('protocol', 'the upstream sent a manifest of the unsupported schema 1', { isSchema1: true });
}
