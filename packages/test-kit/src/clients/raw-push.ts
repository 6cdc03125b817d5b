import { type Digest, digestOf } from '@breakwater/registry-core';
import type { BuiltContent, BuiltManifest } from '../images/image-builder.js';

/** Where something is pushed to. */
export interface PushTarget {
  /** `http://host:port` */
  readonly url: string;
  /** `<organization>/<repository>` */
  readonly name: string;
  readonly authorization?: string;
}

/** What a registry answered to a request that writes. */
export interface PushedAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The code of the first error in the body; '' without one. */
  readonly code: string;
}

/** Sends any request to a registry; paths begin with a slash and may be a `Location`. */
export async function writeRequest(
  target: Pick<PushTarget, 'url' | 'authorization'>,
  method: string,
  path: string,
  options: { readonly headers?: Readonly<Record<string, string>>; readonly body?: Uint8Array | string } = {},
): Promise<PushedAnswer> {
  const { authorization } = target;
  const response = await fetch(new URL(path, target.url), {
    method,
    redirect: 'manual',
    headers: { connection: 'close', ...(authorization === undefined ? {} : { authorization }), ...options.headers },
    ...(options.body === undefined ? {} : { body: options.body as string }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, code: errorCode(text) };
}

/** Pushes a blob in one piece, as POST and PUT. */
export async function pushBlob(target: PushTarget, bytes: Uint8Array, digest?: Digest): Promise<PushedAnswer> {
  const begun = await writeRequest(target, 'POST', `/v2/${target.name}/blobs/uploads/`);
  const location = begun.headers.get('location');
  if (begun.status !== 202 || location === null) return begun;
  const mark = location.includes('?') ? '&' : '?';
  return writeRequest(target, 'PUT', `${location}${mark}digest=${digest ?? digestOf(bytes)}`, {
    headers: { 'content-type': 'application/octet-stream' },
    body: bytes,
  });
}

/** Pushes a manifest by tag or digest, with the media type that it has. */
export function pushManifest(target: PushTarget, reference: string, manifest: BuiltManifest): Promise<PushedAnswer> {
  return writeRequest(target, 'PUT', `/v2/${target.name}/manifests/${reference}`, {
    headers: { 'content-type': manifest.mediaType },
    body: manifest.bytes,
  });
}

/** Pushes an image or index with everything that it holds; throws when anything is refused. */
export async function pushImage(target: PushTarget, tag: string, content: BuiltContent): Promise<void> {
  for (const [digest, bytes] of content.blobs) must(await pushBlob(target, bytes, digest));
  for (const manifest of content.manifests.slice(1)) must(await pushManifest(target, manifest.digest, manifest));
  must(await pushManifest(target, tag, content.manifest));
}

function must(answer: PushedAnswer): void {
  if (answer.status !== 201) throw new Error(`pushing failed: ${answer.status} ${answer.text}`);
}

function errorCode(text: string): string {
  try {
    const body = JSON.parse(text) as { readonly errors?: readonly { readonly code?: unknown }[] };
    const code = body.errors?.[0]?.code;
    return typeof code === 'string' ? code : '';
  } catch {
    return '';
  }
}
