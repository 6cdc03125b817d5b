import type { IncomingHttpHeaders } from 'node:http';
import type { BuiltContent, BuiltManifest } from '../images/image-builder.js';
import type { AnswerPlan } from './answer-plan.js';
import type { UpstreamTarget } from './upstream-request.js';

interface RepositoryContent {
  readonly tags: Map<string, string>;
  readonly manifests: Map<string, BuiltManifest>;
  readonly blobs: Map<string, Buffer>;
}

/** What the upstream holds, and its right answers. */
export class UpstreamContent {
  readonly #repositories = new Map<string, RepositoryContent>();

  has(repository: string): boolean {
    return this.#repositories.has(repository);
  }

  /** Takes in an image; with a tag, the tag points to it from now on. */
  add(repository: string, tag: string | undefined, content: BuiltContent): void {
    const held = this.#repositories.get(repository) ?? { tags: new Map(), manifests: new Map(), blobs: new Map() };
    this.#repositories.set(repository, held);
    for (const manifest of content.manifests) held.manifests.set(manifest.digest, manifest);
    for (const [digest, blob] of content.blobs) held.blobs.set(digest, blob);
    if (tag !== undefined) held.tags.set(tag, content.manifest.digest);
  }

  /** Takes away a tag (the content stays), a manifest or blob by digest, or the whole repository. */
  remove(repository: string, reference?: string): void {
    if (reference === undefined) {
      this.#repositories.delete(repository);
      return;
    }
    const held = this.#repositories.get(repository);
    held?.tags.delete(reference);
    held?.manifests.delete(reference);
    held?.blobs.delete(reference);
  }

  /** The right answer to a GET or HEAD. */
  answer(target: UpstreamTarget, headers: IncomingHttpHeaders, query: URLSearchParams): AnswerPlan {
    if (target.kind === 'ping') return jsonAnswer(200, {});
    if (target.kind === 'other' || target.repository === undefined || target.reference === undefined) {
      return errorAnswer(404, 'UNSUPPORTED');
    }
    const held = this.#repositories.get(target.repository);
    if (held === undefined) return errorAnswer(404, 'NAME_UNKNOWN');
    switch (target.kind) {
      case 'manifest':
        return manifestAnswer(held, target.reference, headers);
      case 'blob':
        return blobAnswer(held, target.reference, headers);
      case 'tags':
        return tagsAnswer(held, target.repository, query);
      case 'referrers':
        return referrersAnswer(held, target.reference, query);
      default:
        return errorAnswer(404, 'UNSUPPORTED');
    }
  }
}

/** An answer of JSON. */
export function jsonAnswer(status: number, body: unknown, headers: Record<string, string> = {}): AnswerPlan {
  return {
    status,
    headers: { 'Content-Type': 'application/json', 'Docker-Distribution-API-Version': 'registry/2.0', ...headers },
    body: Buffer.from(JSON.stringify(body)),
  };
}

/** An OCI error. */
export function errorAnswer(status: number, code: string, headers: Record<string, string> = {}): AnswerPlan {
  return jsonAnswer(status, { errors: [{ code, message: code.toLowerCase().replaceAll('_', ' ') }] }, headers);
}

function manifestAnswer(held: RepositoryContent, reference: string, headers: IncomingHttpHeaders): AnswerPlan {
  const manifest = held.manifests.get(held.tags.get(reference) ?? reference);
  if (manifest === undefined || !accepts(headers.accept, manifest.mediaType)) {
    return errorAnswer(404, 'MANIFEST_UNKNOWN');
  }
  return {
    status: 200,
    headers: {
      'Content-Type': manifest.mediaType,
      'Docker-Content-Digest': manifest.digest,
      'Docker-Distribution-API-Version': 'registry/2.0',
      ETag: `"${manifest.digest}"`,
    },
    body: manifest.bytes,
  };
}

function accepts(accept: string | undefined, mediaType: string): boolean {
  if (accept === undefined) return true;
  const ranges = accept.split(',').map((range) => range.split(';')[0]?.trim().toLowerCase());
  return ranges.includes(mediaType) || ranges.includes('*/*') || ranges.includes('application/*');
}

function blobAnswer(held: RepositoryContent, digest: string, headers: IncomingHttpHeaders): AnswerPlan {
  const blob = held.blobs.get(digest);
  if (blob === undefined) return errorAnswer(404, 'BLOB_UNKNOWN');
  const common = {
    'Content-Type': 'application/octet-stream',
    'Docker-Content-Digest': digest,
    'Accept-Ranges': 'bytes',
    ETag: `"${digest}"`,
  };
  const ifRange = headers['if-range'];
  const range =
    ifRange === undefined || ifRange === `"${digest}"` ? parseRange(headers.range, blob.byteLength) : undefined;
  if (range === undefined) return { status: 200, headers: common, body: blob };
  if (range === 'unsatisfiable') {
    return errorAnswer(416, 'RANGE_INVALID', { 'Content-Range': `bytes */${blob.byteLength}` });
  }
  const [first, last] = range;
  return {
    status: 206,
    headers: { ...common, 'Content-Range': `bytes ${first}-${last}/${blob.byteLength}` },
    body: blob.subarray(first, last + 1),
  };
}

/** The first and last byte of a single range; `undefined` for whatever is to be answered with the whole. */
function parseRange(
  header: string | undefined,
  size: number,
): readonly [first: number, last: number] | 'unsatisfiable' | undefined {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (from === '' && to === '') return undefined;
  if (from === '') return Number(to) === 0 ? 'unsatisfiable' : [Math.max(0, size - Number(to)), size - 1];
  if (Number(from) >= size) return 'unsatisfiable';
  if (to !== '' && Number(to) < Number(from)) return undefined;
  return [Number(from), to === '' ? size - 1 : Math.min(Number(to), size - 1)];
}

function tagsAnswer(held: RepositoryContent, repository: string, query: URLSearchParams): AnswerPlan {
  const last = query.get('last');
  const all = [...held.tags.keys()].sort().filter((tag) => last === null || tag > last);
  const limit = Number(query.get('n') ?? Number.POSITIVE_INFINITY);
  const page = all.slice(0, limit);
  const link =
    page.length < all.length
      ? { Link: `</v2/${repository}/tags/list?n=${limit}&last=${page.at(-1)}>; rel="next"` }
      : {};
  return jsonAnswer(200, { name: repository, tags: page }, link);
}

function referrersAnswer(held: RepositoryContent, digest: string, query: URLSearchParams): AnswerPlan {
  const wanted = query.get('artifactType');
  const manifests = [...held.manifests.values()].flatMap(({ mediaType, digest: own, bytes }) => {
    const { subject, artifactType } = referrerFields(bytes);
    if (subject?.digest !== digest || (wanted !== null && artifactType !== wanted)) return [];
    return [
      { mediaType, digest: own, size: bytes.byteLength, ...(artifactType === undefined ? {} : { artifactType }) },
    ];
  });
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const filtered = wanted === null ? {} : { 'OCI-Filters-Applied': 'artifactType' };
  return jsonAnswer(200, { schemaVersion: 2, mediaType, manifests }, { 'Content-Type': mediaType, ...filtered });
}

function referrerFields(bytes: Buffer): {
  readonly subject?: { readonly digest?: string };
  readonly artifactType?: string;
} {
  try {
    return JSON.parse(bytes.toString('utf8')) ?? {};
  } catch {
    // Broken manifests are stored as well; they refer to nothing.
    return {};
  }
}
