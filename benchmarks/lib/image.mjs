import { createHash, randomFillSync } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

export const NAME = 'bench/image';
export const TAG = 'latest';
export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const CHUNK = 1024 * 1024;

/**
 * An image of one big layer and as many small ones as make its manifest about 2 KiB, as common ones are; all of random
 * bytes, as files in a directory.
 */
export async function buildImage(directory, blobBytes) {
  const small = [];
  for (let index = 0; index < 10; index += 1) {
    small.push(await blobFile(directory, `small-${index}`, 1_024 + index));
  }
  const big = await blobFile(directory, 'big', blobBytes);
  const config = await writtenBlob(directory, 'config', JSON.stringify({ architecture: 'amd64', os: 'linux' }));
  const layers = [big, ...small].map((blob) => descriptor('application/vnd.oci.image.layer.v1.tar+gzip', blob));
  const manifest = await writtenBlob(
    directory,
    'manifest',
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: descriptor('application/vnd.oci.image.config.v1+json', config),
      layers,
    }),
  );
  return { manifest, big, blobs: [config, big, ...small] };
}

/** Pushes the image to a registry at an origin, as a client would. */
export async function pushImage(origin, image) {
  for (const blob of image.blobs) {
    const { headers } = await send('POST', `${origin}/v2/${NAME}/blobs/uploads/`, {}, undefined, 202);
    const location = new URL(headers.location, origin);
    location.searchParams.set('digest', blob.digest);
    await send('PUT', location, { 'content-type': 'application/octet-stream' }, blob, 201);
  }
  await send('PUT', `${origin}/v2/${NAME}/manifests/${TAG}`, { 'content-type': MANIFEST_TYPE }, image.manifest, 201);
}

/** The answer to a GET, with what its body hashes to instead of the body. */
export function fetchHashed(url) {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers: { accept: MANIFEST_TYPE } }, async (response) => {
      const hash = createHash('sha256');
      let bytes = 0;
      try {
        for await (const chunk of response) {
          hash.update(chunk);
          bytes += chunk.byteLength;
        }
      } catch (error) {
        return reject(error);
      }
      resolve({
        status: response.statusCode,
        headers: response.headers,
        digest: `sha256:${hash.digest('hex')}`,
        bytes,
      });
    });
    asked.once('error', reject);
    asked.end();
  });
}

async function send(method, url, headers, file, expected) {
  const answer = await new Promise((resolve, reject) => {
    const length = file === undefined ? 0 : file.size;
    const asked = request(url, { method, headers: { ...headers, 'content-length': length } }, (response) => {
      response.resume().once('end', () => resolve(response));
    });
    asked.once('error', reject);
    if (file === undefined) asked.end();
    else pipeline(createReadStream(file.path, { highWaterMark: CHUNK }), asked).catch(reject);
  });
  if (answer.statusCode !== expected) throw new Error(`${method} ${url}: ${answer.statusCode} instead of ${expected}`);
  return answer;
}

async function blobFile(directory, name, size) {
  const path = join(directory, name);
  const hash = createHash('sha256');
  const file = await open(path, 'w');
  try {
    const buffer = Buffer.alloc(Math.min(CHUNK, size));
    for (let left = size; left > 0; left -= buffer.byteLength) {
      const chunk = randomFillSync(buffer).subarray(0, Math.min(left, buffer.byteLength));
      hash.update(chunk);
      await file.write(chunk);
    }
  } finally {
    await file.close();
  }
  return { path, size: (await stat(path)).size, digest: `sha256:${hash.digest('hex')}` };
}

async function writtenBlob(directory, name, text) {
  const path = join(directory, name);
  await writeFile(path, text);
  const bytes = await readFile(path);
  return { path, size: bytes.byteLength, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
}

function descriptor(mediaType, { digest, size }) {
  return { mediaType, digest, size };
}
