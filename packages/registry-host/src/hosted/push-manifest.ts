import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  bareMediaType,
  type Descriptor,
  type Digest,
  digestAlgorithm,
  digestOf,
  type Manifest,
  type ManifestStore,
  manifestReferences,
  parseManifest,
  parseTag,
  type Reference,
  RegistryError,
  type Repository,
  type Tag,
  type TagStore,
} from '@breakwater/registry-core';
import { answerEmpty, readBody } from '@breakwater/registry-http';
import type { RepositoryContent, TagPointing } from './hosted-content.js';
import { conditionFailed, holds, type WriteCondition, writeConditionOf } from './write-condition.js';

/** What a pushed manifest is put into. */
export interface PushParts {
  readonly manifests: ManifestStore;
  readonly tags: TagPointing & Pick<TagStore, 'resolve'>;
  readonly content: RepositoryContent;
  /** Largest manifest in bytes that is taken. */
  readonly maxManifestBytes: number;
}

/** Most tags of one push; the spec asks for ten. */
const MOST_TAGS = 100;
/** Digests that an error or a warning names. */
const NAMED_DIGESTS = 10;
/** Layers that licences keep out of registries: nobody pushes them (image-spec, "Non-distributable layers"). */
const NOT_PUSHED = /\.(?:nondistributable|foreign)\./;

/**
 * Answers PUT of a manifest (distribution-spec, "Pushing Manifests"): its bytes are kept as they came. What an image is
 * made of has to be there; an index may list images that are not, since tools copy some platforms of one.
 */
export async function pushManifest(
  parts: PushParts,
  request: IncomingMessage,
  response: ServerResponse,
  target: { readonly repository: Repository; readonly reference: Reference; readonly query: string },
): Promise<void> {
  const { repository, reference } = target;
  const tags = pushedTags(reference, target.query);
  const condition = writeConditionOf(request);
  if (condition !== undefined && !holds(condition, await currentDigest(parts, repository, reference)))
    throw conditionFailed();
  const bytes = await readManifest(request, parts.maxManifestBytes);
  const manifest = parseManifest(bytes, bareMediaType(request.headers['content-type']), parts.maxManifestBytes);
  const digest = pushedDigest(reference, bytes);
  const warning = await checkContent(parts.content, repository, manifest);
  await parts.manifests.put(repository, { digest, mediaType: manifest.mediaType, bytes });
  const tagCondition = reference.kind === 'tag' ? condition : undefined;
  for (const tag of tags) await pointTag(parts.tags, repository, tag, digest, tagCondition);
  answerEmpty(response, 201, {
    location: `/v2/${repository.organization}/${repository.name}/manifests/${digest}`,
    'docker-content-digest': digest,
    ...(manifest.subject === undefined ? {} : { 'oci-subject': manifest.subject.digest }),
    ...(reference.kind === 'digest' && tags.length > 0 ? { 'oci-tag': tags.join(', ') } : {}),
    ...(warning === undefined ? {} : { warning: `299 - "${warning}"` }),
  });
}

/** What stands now where something is to be pushed or deleted. */
export async function currentDigest(
  { manifests, tags }: Pick<PushParts, 'manifests' | 'tags'>,
  repository: Repository,
  reference: Reference,
): Promise<Digest | undefined> {
  if (reference.kind === 'tag') return tags.resolve(repository, reference.tag);
  return (await manifests.get(repository, reference.digest)) === undefined ? undefined : reference.digest;
}

async function pointTag(
  tags: TagPointing,
  repository: Repository,
  tag: Tag,
  digest: Digest,
  condition: WriteCondition | undefined,
): Promise<void> {
  const moved =
    condition === undefined
      ? (await tags.point(repository, tag, digest))
        ? 'moved'
        : 'no manifest'
      : await tags.move(repository, tag, condition, digest);
  if (moved === 'changed') throw conditionFailed();
  if (moved === 'moved') return;
  throw new RegistryError('MANIFEST_UNKNOWN', `the manifest was removed before the tag ${tag} could point at it`);
}

function pushedTags(reference: Reference, query: string): readonly Tag[] {
  if (reference.kind === 'tag') return [reference.tag];
  const given = new URLSearchParams(query).getAll('tag');
  if (given.length > MOST_TAGS) {
    throw new RegistryError('UNSUPPORTED', `at most ${MOST_TAGS} tags can be pushed at once`, { status: 414 });
  }
  return [...new Set(given)].map((text) => {
    const tag = parseTag(text);
    if (tag === undefined)
      throw new RegistryError('MANIFEST_INVALID', `${JSON.stringify(text.slice(0, 128))} is no tag`);
    return tag;
  });
}

async function readManifest(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const bytes = await readBody(request, maxBytes);
  if (bytes === 'too large') {
    throw new RegistryError('SIZE_INVALID', `a manifest may have ${maxBytes} bytes`, {
      status: 413,
      headers: { connection: 'close' },
    });
  }
  if (bytes === 'broken off')
    throw new RegistryError('MANIFEST_INVALID', 'the connection ended before the manifest did');
  return bytes;
}

function pushedDigest(reference: Reference, bytes: Uint8Array): Digest {
  if (reference.kind === 'tag') return digestOf(bytes);
  const digest = digestOf(bytes, digestAlgorithm(reference.digest));
  if (digest === reference.digest) return digest;
  throw new RegistryError('DIGEST_INVALID', `the manifest's digest is ${digest}, not the one that it was pushed by`);
}

/** Resolves to a warning for whoever pushes, if there is something to be said. */
async function checkContent(
  content: RepositoryContent,
  repository: Repository,
  manifest: Manifest,
): Promise<string | undefined> {
  const needed = manifestReferences(manifest).filter(({ descriptor }) => isPushed(descriptor));
  const digests = needed.map(({ descriptor }) => descriptor.digest);
  if (manifest.kind === 'index') {
    const missing = await content.missing(repository, 'manifest', digests);
    if (missing.length === 0) return undefined;
    return `${missing.length} of the manifests that this index lists are not in the repository and cannot be pulled from it`;
  }
  const missing = await content.missing(repository, 'blob', digests);
  if (missing.length === 0) return undefined;
  throw new RegistryError('MANIFEST_BLOB_UNKNOWN', 'blobs of this image are not in the repository: push them first', {
    detail: { missing: missing.slice(0, NAMED_DIGESTS), count: missing.length },
  });
}

function isPushed({ mediaType }: Descriptor): boolean {
  return !NOT_PUSHED.test(mediaType);
}
