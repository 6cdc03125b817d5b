import type { PullThroughBlobs } from '../blobs/pull-through-blobs.js';
import type { PullThroughManifests } from '../manifests/pull-through-manifests.js';
import type { ContentFetch } from './content-fetch.js';

/** Fetches content the way in which pulls of clients do, behind them. */
export function fetchThrough(
  blobs: Pick<PullThroughBlobs, 'ensure'>,
  manifests: Pick<PullThroughManifests, 'fetch'>,
): ContentFetch {
  return {
    blob: (settings, repository, digest, bytes) => blobs.ensure(settings, repository, digest, bytes),
    manifest: (settings, repository, digest) => manifests.fetch(settings, repository, digest),
  };
}
