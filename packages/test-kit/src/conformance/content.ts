import { createHash } from 'node:crypto';
import { mustHaveHeader, mustHaveStatus } from './answer.js';
import type { Session } from './session.js';

export const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
export const INDEX = 'application/vnd.oci.image.index.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar';

/** Bytes with what they are called by. */
export interface Content {
  readonly bytes: Buffer;
  readonly digest: string;
  readonly mediaType: string;
}

/** A reference to content, as it stands in a manifest. */
export interface DescriptorJson {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** The digest of bytes. */
export function digestOf(bytes: Uint8Array, algorithm: 'sha256' | 'sha512' = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

/** Bytes that no other check has. */
export function blobOf(text: string, mediaType = LAYER): Content {
  const bytes = Buffer.from(text);
  return { bytes, digest: digestOf(bytes), mediaType };
}

/** A manifest of this JSON. Its bytes are spaced oddly, so that whoever writes JSON anew is found out. */
export function manifestOf(body: Readonly<Record<string, unknown>>, mediaType = IMAGE): Content {
  const bytes = Buffer.from(`${JSON.stringify({ schemaVersion: 2, mediaType, ...body }, null, 3)}\n`);
  return { bytes, digest: digestOf(bytes), mediaType };
}

export function descriptorOf({ mediaType, digest, bytes }: Content): DescriptorJson {
  return { mediaType, digest, size: bytes.byteLength };
}

/** An image of one layer. */
export interface Image {
  readonly config: Content;
  readonly layer: Content;
  readonly manifest: Content;
}

/** An image that differs from every other with another name, and may say more of itself. */
export function imageOf(name: string, more: Readonly<Record<string, unknown>> = {}): Image {
  const config = blobOf(JSON.stringify({ architecture: 'amd64', os: 'linux', name }), CONFIG);
  const layer = blobOf(`layer of ${name}: ${'0123456789'.repeat(20)}`);
  const manifest = manifestOf({ config: descriptorOf(config), layers: [descriptorOf(layer)], ...more });
  return { config, layer, manifest };
}

/** An index of nothing, which needs no other content to be there. */
export function indexOf(name: string, more: Readonly<Record<string, unknown>> = {}): Content {
  return manifestOf({ manifests: [], annotations: { name }, ...more }, INDEX);
}

/** Begins an upload and resolves to its location. */
export async function beginUpload(session: Session, query = ''): Promise<string> {
  const begun = await session.send('POST', session.uploads(query), { headers: { 'content-length': '0' } });
  mustHaveStatus(begun, 202);
  return mustHaveHeader(begun, 'location');
}

/** A location with one more query parameter. */
export function withQuery(location: string, name: string, value: string): string {
  return `${location}${location.includes('?') ? '&' : '?'}${name}=${encodeURIComponent(value)}`;
}

/** Pushes a blob whole; fails unless it is taken. */
export async function pushBlob(session: Session, content: Content, digest = content.digest): Promise<void> {
  const location = await beginUpload(session);
  const done = await session.send('PUT', withQuery(location, 'digest', digest), {
    headers: { 'content-type': 'application/octet-stream' },
    body: content.bytes,
  });
  mustHaveStatus(done, 201);
}

/** Sends one chunk of an upload. */
export function sendChunk(session: Session, location: string, start: number, text: string, method = 'PATCH') {
  const body = Buffer.from(text);
  return session.send(method, location, {
    headers: {
      'content-type': 'application/octet-stream',
      'content-range': `${start}-${start + body.byteLength - 1}`,
    },
    body,
  });
}

/** Sends a manifest. */
export function putManifest(session: Session, reference: string, manifest: Content, mediaType = manifest.mediaType) {
  return session.send('PUT', session.manifest(reference), {
    headers: { 'content-type': mediaType },
    body: manifest.bytes,
  });
}

/** Pushes a manifest; fails unless it is taken. */
export async function pushManifest(session: Session, reference: string, manifest: Content): Promise<void> {
  mustHaveStatus(await putManifest(session, reference, manifest), 201);
}

/** Pushes an image with its blobs under a tag. */
export async function pushImage(session: Session, tag: string, image: Image): Promise<void> {
  await pushBlob(session, image.config);
  await pushBlob(session, image.layer);
  await pushManifest(session, tag, image.manifest);
}
