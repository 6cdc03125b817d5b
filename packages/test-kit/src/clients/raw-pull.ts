import { createHash } from 'node:crypto';
import { type RawAnswer, type RawRequestOptions, rawGet } from './raw-client.js';

/** An image as it was pulled: every answer, and what was wrong with them. */
export interface RawPull {
  /** The answer to the first request, for the manifest of the reference. */
  readonly manifest: RawAnswer;
  /** Every manifest by its digest: the first, and below an index its children. */
  readonly manifests: ReadonlyMap<string, RawAnswer>;
  readonly blobs: ReadonlyMap<string, RawAnswer>;
  /** What went wrong, one sentence each; empty when the whole image came, and came right. */
  readonly problems: readonly string[];
}

const ACCEPT = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

interface RawDescriptor {
  readonly digest: string;
  readonly size: number;
  readonly urls?: readonly string[];
}

interface RawManifest {
  readonly manifests?: readonly RawDescriptor[];
  readonly config?: RawDescriptor;
  readonly layers?: readonly RawDescriptor[];
}

/**
 * Pulls an image as a client does, the manifest, the children of an index, all blobs at once, and checks status,
 * length and digest of each by its own hashing. Layers with `urls` are not asked for.
 *
 * @param base origin of the registry, `http://127.0.0.1:5000`
 * @throws as `rawGet`, for the first manifest only
 */
export async function pullImage(
  base: string,
  repository: string,
  reference: string,
  options: RawRequestOptions = {},
): Promise<RawPull> {
  const problems: string[] = [];
  const manifests = new Map<string, RawAnswer>();
  const blobs = new Map<string, RawAnswer>();
  const headers = { Accept: ACCEPT, ...options.headers };
  const manifestUrl = (wanted: string) => `${base}/v2/${repository}/manifests/${wanted}`;
  const first = await rawGet(manifestUrl(reference), { ...options, headers });
  const firstDigest = `sha256:${first.sha256}`;
  manifests.set(firstDigest, first);

  const attempt = async (what: string, url: string, expected: RawDescriptor): Promise<RawAnswer | undefined> => {
    try {
      const answer = await rawGet(url, { ...options, headers });
      problems.push(...faultsOf(what, answer, expected.digest, expected.size));
      return answer;
    } catch (error) {
      problems.push(`${what}: ${String(error)}`);
      return undefined;
    }
  };
  const pullBlob = async (descriptor: RawDescriptor) => {
    if (blobs.has(descriptor.digest) || descriptor.urls !== undefined) return;
    const url = `${base}/v2/${repository}/blobs/${descriptor.digest}`;
    const answer = await attempt(`blob ${descriptor.digest}`, url, descriptor);
    if (answer !== undefined) blobs.set(descriptor.digest, answer);
  };
  const pullBelow = async (answer: RawAnswer): Promise<void> => {
    const body = readManifest(answer.bytes);
    if (body === undefined) {
      problems.push('a manifest is not JSON');
      return;
    }
    const needed = [...(body.config === undefined ? [] : [body.config]), ...(body.layers ?? [])];
    await Promise.all(needed.map(pullBlob));
    for (const child of body.manifests ?? []) {
      const childAnswer = await attempt(`manifest ${child.digest}`, manifestUrl(child.digest), child);
      if (childAnswer === undefined) continue;
      manifests.set(child.digest, childAnswer);
      if (childAnswer.status === 200) await pullBelow(childAnswer);
    }
  };

  const firstExpected = reference.startsWith('sha256:') ? reference : firstDigest;
  problems.push(...faultsOf(`manifest ${reference}`, first, firstExpected));
  if (first.status === 200) await pullBelow(first);
  return { manifest: first, manifests, blobs, problems };
}

function faultsOf(what: string, answer: RawAnswer, digest: string, size?: number): string[] {
  if (answer.status !== 200) return [`${what}: ${answer.status} ${answer.reasonPhrase}`];
  if (answer.cut) return [`${what}: cut after ${answer.bytes.byteLength} bytes`];
  const faults: string[] = [];
  if (size !== undefined && size !== answer.bytes.byteLength) {
    faults.push(`${what}: ${answer.bytes.byteLength} bytes instead of ${size}`);
  }
  const [algorithm = '', hex] = digest.split(':');
  if (createHash(algorithm).update(answer.bytes).digest('hex') !== hex)
    faults.push(`${what}: the bytes have another hash`);
  const said = answer.headers['docker-content-digest'];
  if (said !== undefined && said !== digest) faults.push(`${what}: Docker-Content-Digest says ${said}`);
  return faults;
}

function readManifest(bytes: Buffer): RawManifest | undefined {
  try {
    const body: RawManifest | null = JSON.parse(bytes.toString('utf8'));
    return body ?? undefined;
  } catch {
    return undefined;
  }
}
