import { must, mustHaveHeader, mustHaveStatus } from '../answer.js';
import { checksOf, type ListedCheck, type Verify } from '../check.js';
import {
  blobOf,
  type Content,
  descriptorOf,
  digestOf,
  imageOf,
  indexOf,
  manifestOf,
  pushBlob,
  pushImage,
  pushManifest,
} from '../content.js';
import { body, header, on, type Sabotage, status, target } from '../sabotage.js';
import type { Session } from '../session.js';

const getManifest = on('GET', /\/manifests\//);
const getBlob = on('GET', /\/blobs\/sha/);
const headManifest = on('HEAD', /\/manifests\//);
const headBlob = on('HEAD', /\/blobs\/sha/);
const found = (code: number) => code === 200;

/** A check of something about an image that was pushed as `v1`. */
function ofImage(
  check: Omit<ListedCheck, 'prepare' | 'broken'>,
  broken: Sabotage,
  look: (read: Session, image: ReturnType<typeof imageOf>) => Promise<void>,
): ListedCheck {
  return {
    ...check,
    broken,
    async prepare({ shared }): Promise<Verify> {
      const { content, path } = await shared('image', pushedImage);
      return (read) => look(read.sibling(path), content);
    },
  };
}

async function pushedImage(write: Session): Promise<ReturnType<typeof imageOf>> {
  const image = imageOf(write.name);
  await pushImage(write, 'v1', image);
  return image;
}

async function mustBeBytes(read: Session, path: string, { bytes }: Content): Promise<void> {
  const answer = await read.get(path);
  mustHaveStatus(answer, 200);
  must(answer.bytes.equals(bytes), answer, 'wanted exactly the bytes that were pushed');
}

/** "Pulling manifests", "Pulling blobs", "Checking if content exists in the registry". */
export const PULL_CHECKS = checksOf('pull', [
  ofImage(
    {
      id: 'manifest-by-tag',
      level: 'MUST',
      says: 'GET of an existing manifest by tag answers 200 with the manifest',
      red: 'GET: wanted status 200',
    },
    status(on('GET', /\/manifests\/v1/), 404),
    (read, { manifest }) => mustBeBytes(read, read.manifest('v1'), manifest),
  ),
  ofImage(
    {
      id: 'manifest-by-digest',
      level: 'MUST',
      says: 'GET of an existing manifest by digest answers 200 with the manifest',
      red: 'GET: wanted exactly the bytes that were pushed',
    },
    body(on('GET', /\/manifests\/sha/), (was) => JSON.stringify(JSON.parse(was.toString()))),
    (read, { manifest }) => mustBeBytes(read, read.manifest(manifest.digest), manifest),
  ),
  ofImage(
    {
      id: 'manifest-digest-header',
      level: 'MUST',
      says: 'GET of a manifest answers with Docker-Content-Digest',
      red: 'GET: wanted a header docker-content-digest',
    },
    header(getManifest, 'docker-content-digest'),
    async (read) => void mustHaveHeader(await read.get(read.manifest('v1')), 'docker-content-digest'),
  ),
  ofImage(
    {
      id: 'manifest-digest-matches',
      level: 'MUST',
      says: 'the Docker-Content-Digest of a manifest is that of the body',
      red: "GET: wanted Docker-Content-Digest to be the body's",
    },
    header(getManifest, 'docker-content-digest', digestOf(Buffer.from('other'))),
    async (read) => {
      const answer = await read.get(read.manifest('v1'));
      const said = mustHaveHeader(answer, 'docker-content-digest');
      must(said === digestOf(answer.bytes), answer, `wanted Docker-Content-Digest to be the body's, not ${said}`);
    },
  ),
  ofImage(
    {
      id: 'manifest-digest-by-digest',
      level: 'MUST',
      says: 'the Docker-Content-Digest of a manifest that is pulled by its digest is that digest',
      red: 'GET: wanted a header docker-content-digest like',
    },
    header(on('GET', /\/manifests\/sha/), 'docker-content-digest', digestOf(Buffer.from('other'))),
    async (read, { manifest }) => {
      const answer = await read.get(read.manifest(manifest.digest));
      mustHaveHeader(answer, 'docker-content-digest', new RegExp(`^${manifest.digest}$`));
    },
  ),
  ofImage(
    {
      id: 'manifest-content-type',
      level: 'SHOULD',
      says: 'the Content-Type of a manifest is the one that it was pushed with',
      red: 'GET: wanted Content-Type application/vnd.oci.image.manifest.v1+json',
    },
    header(getManifest, 'content-type', 'application/json'),
    async (read, { manifest }) => {
      const answer = await read.get(read.manifest('v1'));
      const type = mustHaveHeader(answer, 'content-type').split(';')[0];
      must(type === manifest.mediaType, answer, `wanted Content-Type ${manifest.mediaType}, not ${type}`);
    },
  ),
  ofImage(
    {
      id: 'manifest-type-parameters',
      level: 'SHOULD',
      says: 'the Content-Type of a manifest has no parameters',
      red: 'GET: wanted a header content-type like',
    },
    header(getManifest, 'content-type', (was) => `${was}; charset=utf-8`),
    async (read) => void mustHaveHeader(await read.get(read.manifest('v1')), 'content-type', /^[^;]+$/),
  ),
  {
    ...ofImage(
      {
        id: 'manifest-unknown-tag',
        level: 'MUST',
        says: 'a tag that is not there is 404',
        red: 'GET: wanted status 404',
      },
      status(getManifest, 400, (code) => code === 404),
      async (read) => mustHaveStatus(await read.get(read.manifest('no-such-tag')), 404),
    ),
    needsUpstream: true,
  },
  {
    ...ofImage(
      {
        id: 'manifest-unknown-digest',
        level: 'MUST',
        says: 'a manifest digest that is not there is 404',
        red: 'GET: wanted status 404',
      },
      status(getManifest, 500, (code) => code === 404),
      async (read) => mustHaveStatus(await read.get(read.manifest(digestOf(Buffer.from(read.name)))), 404),
    ),
    needsUpstream: true,
  },
  {
    id: 'repository-unknown',
    level: 'MUST',
    says: 'a pull from a repository that does not exist is 404',
    red: 'GET: wanted status 404',
    needsUpstream: true,
    broken: status(getManifest, 403, (code) => code === 404),
    prepare: async () => async (read) => mustHaveStatus(await read.get(read.manifest('v1')), 404),
  },
  {
    id: 'repository-unknown-blob',
    level: 'MUST',
    says: 'a blob of a repository that does not exist is 404',
    red: 'GET: wanted status 404',
    needsUpstream: true,
    broken: status(getBlob, 403, (code) => code === 404),
    prepare: async () => async (read) =>
      mustHaveStatus(await read.get(read.blob(digestOf(Buffer.from(read.name)))), 404),
  },
  {
    id: 'names',
    level: 'MUST',
    says: 'names and tags of every form that the grammar allows can be pulled',
    red: 'GET: wanted status 200',
    broken: status(on('GET', /__c---d/), 400),
    async prepare({ write }) {
      const path = `${write.path}/a0.b_1__c---d/e.f`;
      const tag = `_${'A.b-9_'.repeat(21)}z`;
      const index = indexOf(write.name);
      await pushManifest(write.sibling(path), tag, index);
      return (read) => mustBeBytes(read, read.sibling(path).manifest(tag), index);
    },
  },
  {
    id: 'name-grammar',
    level: 'MUST',
    says: 'a name that the grammar does not allow (upper case, two dots, more than 255 characters) is not answered',
    red: 'GET: wanted status 400 or 403 or 404',
    needsUpstream: true,
    broken: status(getManifest, 200, (code) => code >= 400),
    prepare: async () => async (read) => {
      for (const wrong of ['UPPER', 'a..b', 'a/-b', 'x'.repeat(256)]) {
        mustHaveStatus(await read.get(read.sibling(`${read.path}/${wrong}`).manifest('v1')), 400, 403, 404);
      }
    },
  },
  {
    id: 'tag-grammar',
    level: 'MUST',
    says: 'a reference is a tag of at most 128 characters or a digest; nothing else is answered',
    red: 'GET: wanted status 400 or 404',
    needsUpstream: true,
    broken: status(getManifest, 200, (code) => code >= 400),
    prepare: async () => async (read) => {
      mustHaveStatus(await read.get(read.manifest('x'.repeat(129))), 400, 404);
      mustHaveStatus(await read.get(read.manifest('-begins-wrong')), 400, 404);
    },
  },
  ofImage(
    {
      id: 'blob',
      level: 'MUST',
      says: 'GET of an existing blob answers 200 with the blob',
      red: 'GET: wanted exactly the bytes that were pushed',
    },
    body(getBlob, (was) => was.subarray(1)),
    async (read, { layer, config }) => {
      await mustBeBytes(read, read.blob(layer.digest), layer);
      await mustBeBytes(read, read.blob(config.digest), config);
    },
  ),
  ofImage(
    {
      id: 'blob-digest-header',
      level: 'MUST',
      says: 'GET of a blob answers with Docker-Content-Digest',
      red: 'GET: wanted a header docker-content-digest',
    },
    header(getBlob, 'docker-content-digest'),
    async (read, { layer }) => void mustHaveHeader(await read.get(read.blob(layer.digest)), 'docker-content-digest'),
  ),
  ofImage(
    {
      id: 'blob-digest-matches',
      level: 'MUST',
      says: 'the Docker-Content-Digest of a blob is that of the body',
      red: 'GET: wanted the digest of the body',
    },
    header(getBlob, 'docker-content-digest', digestOf(Buffer.from('other'))),
    async (read, { layer }) => {
      const answer = await read.get(read.blob(layer.digest));
      const said = answer.headers.get('docker-content-digest');
      must(said === null || said === digestOf(answer.bytes), answer, `wanted the digest of the body, not ${said}`);
    },
  ),
  {
    ...ofImage(
      { id: 'blob-unknown', level: 'MUST', says: 'a blob that is not there is 404', red: 'GET: wanted status 404' },
      status(getBlob, 400, (code) => code === 404),
      async (read) => mustHaveStatus(await read.get(read.blob(digestOf(Buffer.from(`no ${read.name}`)))), 404),
    ),
    needsUpstream: true,
  },
  ofImage(
    {
      id: 'range',
      level: 'SHOULD',
      says: 'a Range of a blob is answered with 206 and Content-Range',
      red: 'GET: wanted status 206',
    },
    { request: (request) => void (getBlob(request) && delete request.headers['range']) },
    async (read, { layer }) => {
      const answer = await read.get(read.blob(layer.digest), { range: 'bytes=3-9' });
      mustHaveStatus(answer, 206);
      mustHaveHeader(answer, 'content-range', new RegExp(`^bytes 3-9/${layer.bytes.byteLength}$`));
      must(answer.bytes.equals(layer.bytes.subarray(3, 10)), answer, 'wanted the bytes 3 to 9');
    },
  ),
  ofImage(
    {
      id: 'range-suffix',
      level: 'SHOULD',
      says: 'a Range may begin nowhere (the last bytes) or end nowhere (RFC 9110, 14.1.2)',
      red: 'GET: wanted status 206',
    },
    status(getBlob, 416, (code) => code === 206),
    async (read, { layer }) => {
      const last = await read.get(read.blob(layer.digest), { range: 'bytes=-4' });
      mustHaveStatus(last, 206);
      must(last.bytes.equals(layer.bytes.subarray(-4)), last, 'wanted the last 4 bytes');
      const rest = await read.get(read.blob(layer.digest), { range: 'bytes=5-' });
      mustHaveStatus(rest, 206);
      must(rest.bytes.equals(layer.bytes.subarray(5)), rest, 'wanted the bytes from 5');
    },
  ),
  ofImage(
    {
      id: 'range-beyond',
      level: 'SHOULD',
      says: 'a Range beyond the end is 416 with the size (RFC 9110, 15.5.17)',
      red: 'GET: wanted a header content-range',
    },
    header(getBlob, 'content-range'),
    async (read, { layer }) => {
      const size = layer.bytes.byteLength;
      const answer = await read.get(read.blob(layer.digest), { range: `bytes=${size}-` });
      mustHaveStatus(answer, 416);
      mustHaveHeader(answer, 'content-range', new RegExp(`^bytes \\*/${size}$`));
    },
  ),
  ofImage(
    {
      id: 'head-manifest',
      level: 'MUST',
      says: 'HEAD of an existing manifest answers 200',
      red: 'HEAD: wanted status 200',
    },
    status(headManifest, 404, found),
    async (read, { manifest }) => {
      mustHaveStatus(await read.head(read.manifest('v1')), 200);
      mustHaveStatus(await read.head(read.manifest(manifest.digest)), 200);
    },
  ),
  ofImage(
    {
      id: 'head-manifest-digest',
      level: 'MUST',
      says: 'HEAD of a manifest answers with its digest',
      red: 'HEAD: wanted a header docker-content-digest',
    },
    header(headManifest, 'docker-content-digest'),
    async (read, { manifest }) => {
      const answer = await read.head(read.manifest('v1'));
      mustHaveHeader(answer, 'docker-content-digest', new RegExp(`^${manifest.digest}$`));
    },
  ),
  ofImage(
    {
      id: 'head-manifest-length',
      level: 'MUST',
      says: 'HEAD of a manifest answers with its size in bytes',
      red: 'HEAD: wanted a header content-length like',
    },
    header(headManifest, 'content-length', '0'),
    async (read, { manifest }) => {
      const answer = await read.head(read.manifest('v1'));
      mustHaveHeader(answer, 'content-length', new RegExp(`^${manifest.bytes.byteLength}$`));
    },
  ),
  ofImage(
    {
      id: 'head-manifest-type',
      level: 'SHOULD',
      says: 'HEAD of a manifest answers with the Content-Type that GET has',
      red: 'HEAD: wanted a header content-type like',
    },
    header(headManifest, 'content-type', 'application/json'),
    async (read, { manifest }) => {
      const type = mustHaveHeader(await read.head(read.manifest('v1')), 'content-type');
      const answer = await read.head(read.manifest(manifest.digest));
      mustHaveHeader(answer, 'content-type', new RegExp(`^${manifest.mediaType.replaceAll('+', '\\+')}$`));
      must(type === manifest.mediaType, answer, `wanted Content-Type ${manifest.mediaType} by tag, not ${type}`);
    },
  ),
  ofImage(
    { id: 'head-blob', level: 'MUST', says: 'HEAD of an existing blob answers 200', red: 'HEAD: wanted status 200' },
    status(headBlob, 404, found),
    async (read, { layer }) => mustHaveStatus(await read.head(read.blob(layer.digest)), 200),
  ),
  ofImage(
    {
      id: 'head-blob-digest',
      level: 'MUST',
      says: 'HEAD of a blob answers with its digest',
      red: 'HEAD: wanted a header docker-content-digest',
    },
    header(headBlob, 'docker-content-digest'),
    async (read, { layer }) => {
      const answer = await read.head(read.blob(layer.digest));
      mustHaveHeader(answer, 'docker-content-digest', new RegExp(`^${layer.digest}$`));
    },
  ),
  ofImage(
    {
      id: 'head-blob-length',
      level: 'MUST',
      says: 'HEAD of a blob answers with its size in bytes',
      red: 'HEAD: wanted a header content-length like',
    },
    header(headBlob, 'content-length', '0'),
    async (read, { layer }) => {
      const answer = await read.head(read.blob(layer.digest));
      mustHaveHeader(answer, 'content-length', new RegExp(`^${layer.bytes.byteLength}$`));
    },
  ),
  {
    ...ofImage(
      {
        id: 'head-unknown',
        level: 'MUST',
        says: 'HEAD of a manifest or blob that is not there is 404',
        red: 'HEAD: wanted status 404',
      },
      status(
        (request) => request.method === 'HEAD',
        200,
        (code) => code === 404,
      ),
      async (read) => {
        const digest = digestOf(Buffer.from(`none ${read.name}`));
        mustHaveStatus(await read.head(read.manifest('no-such-tag')), 404);
        mustHaveStatus(await read.head(read.manifest(digest)), 404);
        mustHaveStatus(await read.head(read.blob(digest)), 404);
      },
    ),
    needsUpstream: true,
  },
  {
    id: 'sha512',
    level: 'SHOULD',
    says: 'what was pushed under a sha512 digest is pulled under it, with that digest in the headers',
    red: 'GET: wanted status 200',
    broken: target(on('GET', /sha512/), (was) => was.replace('sha512', 'sha513')),
    async prepare({ write }) {
      const config = blobOf(`sha512 of ${write.name}`);
      const digest = digestOf(config.bytes, 'sha512');
      await pushBlob(write, config, digest);
      const manifest = manifestOf({ config: { ...descriptorOf(config), digest }, layers: [] });
      const reference = digestOf(manifest.bytes, 'sha512');
      await pushManifest(write, reference, manifest);
      return async (read) => {
        await mustBeBytes(read, read.blob(digest), config);
        await mustBeBytes(read, read.manifest(reference), manifest);
        const answer = await read.get(read.manifest(reference));
        mustHaveHeader(answer, 'docker-content-digest', new RegExp(`^${reference}$`));
      };
    },
  },
]);
