import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Repository, StoredManifest } from '@breakwater/registry-core';
import { hasAlready } from './if-none-match.js';
import { tellServed } from './served.js';

/** Headers that a pull's answer has beside the ones the spec asks for: `Age`, `Cache-Status`, `Warning`. */
export type ExtraHeaders = Readonly<Record<string, string>>;

/**
 * Up to this size, head and body go to the kernel as one text, in one write from a buffer on the stack of node (16 KiB),
 * which costs less than a vector of a text and a buffer (benchmarks).
 */
const LARGEST_TEXT_BYTES = 12 * 1024;

/**
 * Answers HEAD or GET of a manifest with the stored bytes and exactly the media type they came with (distribution-spec,
 * "Pulling manifests"). A client that has it (`If-None-Match`) gets a 304.
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
  const unchanged = hasAlready(request, manifest.digest);
  const headers: Record<string, string | number> = {
    'content-type': manifest.mediaType,
    'content-length': manifest.bytes.byteLength,
    'docker-content-digest': manifest.digest,
    etag,
    'docker-distribution-api-version': 'registry/2.0',
    'x-content-type-options': 'nosniff',
  };
  for (const name in extra) headers[name] = extra[name] ?? '';
  response.writeHead(unchanged ? 304 : 200, headers);
  if (request.method === 'HEAD' || unchanged) response.end();
  else if (manifest.bytes.byteLength > LARGEST_TEXT_BYTES) response.end(manifest.bytes);
  else response.end(latin1(manifest.bytes), 'latin1');
}

/** Each byte as the character of that number, so that written as latin1 it is the same byte again. */
function latin1({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
}
