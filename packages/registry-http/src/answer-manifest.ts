import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Repository, StoredManifest } from '@breakwater/registry-core';
import { tellServed } from './served.js';

/** Headers that a pull's answer has beside the ones the spec asks for: `Age`, `Cache-Status`, `Warning`. */
export type ExtraHeaders = Readonly<Record<string, string>>;

/**
 * Answers HEAD or GET of a manifest with the stored bytes and exactly the media type they came with (distribution-spec,
 * "Pulling manifests"). `If-None-Match` with the manifest's ETag gets a 304.
 */
export function answerManifest(
  request: IncomingMessage,
  response: ServerResponse,
  repository: Repository,
  manifest: StoredManifest,
  extra: ExtraHeaders,
): Promise<void> | undefined {
  const waiting = tellServed(response, { repository, kind: 'manifest', digest: manifest.digest });
  if (waiting === undefined) {
    writeManifest(request, response, manifest, extra);
    return undefined;
  }
  return waiting.then(() => writeManifest(request, response, manifest, extra));
}

function writeManifest(
  request: IncomingMessage,
  response: ServerResponse,
  manifest: StoredManifest,
  extra: ExtraHeaders,
): void {
  const etag = `"${manifest.digest}"`;
  const unchanged = request.headers['if-none-match'] === etag;
  response.writeHead(unchanged ? 304 : 200, {
    'content-type': manifest.mediaType,
    'content-length': manifest.bytes.byteLength,
    'docker-content-digest': manifest.digest,
    etag,
    'docker-distribution-api-version': 'registry/2.0',
    'x-content-type-options': 'nosniff',
    ...extra,
  });
  response.end(request.method === 'HEAD' || unchanged ? undefined : manifest.bytes);
}
