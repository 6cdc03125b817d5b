import { must, mustBeJson, mustHaveHeader, mustHaveStatus, NotApplicable } from '../answer.js';
import { checksOf, type Sides, type Verify } from '../check.js';
import {
  beginUpload,
  blobOf,
  descriptorOf,
  digestOf,
  INDEX,
  imageOf,
  indexOf,
  manifestOf,
  pushBlob,
  pushImage,
  pushManifest,
  putManifest,
  sendChunk,
  withQuery,
} from '../content.js';
import { body, header, json, on, requestHeader, type Sabotage, status, target } from '../sabotage.js';
import type { Session } from '../session.js';

const post = on('POST', /\/blobs\/uploads\//);
const patch = on('PATCH', /\/blobs\/uploads\//);
const putUpload = on('PUT', /\/blobs\/uploads\//);
const getUpload = on('GET', /\/blobs\/uploads\//);
const putAnyManifest = on('PUT', /\/manifests\//);
const created = (code: number) => code === 201;
/** Of nothing, by an algorithm that no registry takes any more. */
const UNSUPPORTED = 'md5:d41d8cd98f00b204e9800998ecf8427e';
const UUID = /[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}/i;

/** Looks whether a blob that was pushed is pulled as it is. */
function pulls(digest: string, bytes: Buffer): Verify {
  return async (read) => {
    const answer = await read.get(read.blob(digest));
    mustHaveStatus(answer, 200);
    must(answer.bytes.equals(bytes), answer, 'wanted the bytes that were pushed');
  };
}

async function whole(write: Session, text: string): Promise<Verify> {
  const blob = blobOf(text);
  const location = await beginUpload(write);
  const done = await write.send('PUT', withQuery(location, 'digest', blob.digest), { body: blob.bytes });
  mustHaveStatus(done, 201);
  mustHaveStatus(await write.get(mustHaveHeader(done, 'location')), 200);
  return pulls(blob.digest, blob.bytes);
}

async function chunks(write: Session, parts: readonly string[], closing: string | undefined): Promise<Verify> {
  let location = await beginUpload(write);
  let sent = 0;
  for (const part of parts) {
    const answer = await sendChunk(write, location, sent, part);
    mustHaveStatus(answer, 202);
    location = mustHaveHeader(answer, 'location');
    sent += part.length;
    mustHaveHeader(answer, 'range', new RegExp(`^0-${sent - 1}$`));
  }
  const { bytes, digest } = blobOf(parts.join('') + (closing ?? ''));
  const url = withQuery(location, 'digest', digest);
  const done = closing === undefined ? await write.send('PUT', url) : await sendChunk(write, url, sent, closing, 'PUT');
  mustHaveStatus(done, 201);
  mustHaveStatus(await write.get(mustHaveHeader(done, 'location')), 200);
  return pulls(digest, bytes);
}

/** One who only looks at what pushing answers. */
const looking =
  (look: (write: Session) => Promise<void>) =>
  async ({ write }: Sides) => {
    await look(write);
    return undefined;
  };

const refuseSubject: Sabotage = {
  answer(answer, request) {
    if (putAnyManifest(request) && request.body.includes('"subject"')) answer.status = 404;
  },
};

/** "Pushing blobs" in every way, "Mounting a blob", "Cancel a blob upload", "Pushing Manifests". */
export const PUSH_CHECKS = checksOf('push', [
  {
    id: 'upload-accepted',
    level: 'MUST',
    says: 'POST begins an upload and answers 202',
    red: 'POST: wanted status 202',
    broken: status(post, 200, (code) => code === 202),
    prepare: looking(async (write) => mustHaveStatus(await write.send('POST', write.uploads()), 202)),
  },
  {
    id: 'upload-location',
    level: 'MUST',
    says: 'POST answers with the Location of the upload',
    red: 'POST: wanted a header location',
    broken: header(post, 'location'),
    prepare: looking(async (write) => void mustHaveHeader(await write.send('POST', write.uploads()), 'location')),
  },
  {
    id: 'upload-uuid',
    level: 'MUST',
    says: 'the Location of an upload has a UUID of its own in it',
    red: 'POST: wanted a header location like',
    broken: header(post, 'location', (was) => was.replace(UUID, 'session')),
    prepare: looking(async (write) => {
      const first = await write.send('POST', write.uploads());
      const second = await write.send('POST', write.uploads());
      const uuid = (text: string) => UUID.exec(text)?.[0];
      mustHaveHeader(first, 'location', UUID);
      const other = uuid(mustHaveHeader(second, 'location', UUID));
      must(uuid(first.headers.get('location') ?? '') !== other, second, 'wanted another UUID than that of the first');
    }),
  },
  {
    id: 'whole',
    level: 'MUST',
    says: 'PUT of the whole blob answers 201, and the blob can be pulled',
    red: 'PUT: wanted status 201',
    broken: status(putUpload, 202, created),
    prepare: ({ write }) => whole(write, `whole ${write.name}`),
  },
  {
    id: 'whole-location',
    level: 'MUST',
    says: 'PUT of the whole blob answers with a Location from which the blob can be pulled',
    red: 'GET: wanted status 200',
    broken: header(putUpload, 'location', '/v2/nowhere/to/be/found'),
    prepare: ({ write }) => whole(write, `location ${write.name}`),
  },
  {
    id: 'empty',
    level: 'MUST',
    says: 'the blob without any bytes can be pushed and pulled',
    red: 'PUT: wanted status 201',
    broken: status(on('PUT', /e3b0c44298fc/), 400),
    prepare: ({ write }) => whole(write, ''),
  },
  {
    id: 'single-post',
    level: 'MUST',
    says: 'POST with digest and body answers 201 with the Location of the blob, or 202 to go on with PUT',
    red: 'POST: wanted a header location',
    broken: header(post, 'location'),
    async prepare({ write }) {
      const { bytes, digest } = blobOf(`single ${write.name}`);
      const answer = await write.send('POST', write.uploads(`?digest=${digest}`), {
        headers: { 'content-type': 'application/octet-stream' },
        body: bytes,
      });
      mustHaveStatus(answer, 201, 202);
      const location = mustHaveHeader(answer, 'location');
      if (answer.status === 202) {
        mustHaveStatus(await write.send('PUT', withQuery(location, 'digest', digest), { body: bytes }), 201);
      } else {
        mustHaveStatus(await write.get(location), 200);
      }
      return pulls(digest, bytes);
    },
  },
  {
    id: 'digest-mismatch',
    level: 'SHOULD',
    says: 'bytes that are not those of the digest are 400, and nothing is stored',
    red: 'PUT: wanted status 400',
    broken: status(putUpload, 201, (code) => code === 400),
    prepare: looking(async (write) => {
      const digest = digestOf(Buffer.from(`promised ${write.name}`));
      const location = await beginUpload(write);
      const answer = await write.send('PUT', withQuery(location, 'digest', digest), { body: Buffer.from('other') });
      mustHaveStatus(answer, 400);
      mustHaveStatus(await write.get(write.blob(digest)), 404);
    }),
  },
  {
    id: 'digest-invalid',
    level: 'SHOULD',
    says: 'a digest that is none is 400',
    red: 'PUT: wanted status 400',
    broken: status(putUpload, 500, (code) => code === 400),
    prepare: looking(async (write) => {
      for (const wrong of ['sha256:short', 'nonsense', `sha256:${'A'.repeat(64)}`]) {
        const location = await beginUpload(write);
        mustHaveStatus(await write.send('PUT', withQuery(location, 'digest', wrong), { body: Buffer.from('x') }), 400);
      }
    }),
  },
  {
    id: 'digest-unsupported',
    level: 'SHOULD',
    says: 'a digest of an algorithm that is not supported is 400',
    red: 'PUT: wanted status 400',
    broken: status(putUpload, 201, (code) => code === 400),
    prepare: looking(async (write) => {
      const location = await beginUpload(write);
      const url = withQuery(location, 'digest', UNSUPPORTED);
      mustHaveStatus(await write.send('PUT', url, { body: Buffer.from('x') }), 400);
    }),
  },
  {
    id: 'digest-mismatch-post',
    level: 'SHOULD',
    says: 'POST with another digest than that of its body is 400, where it is not answered with 202 to go on with PUT',
    red: 'POST: wanted status 202 or 400',
    broken: status(post, 201, (code) => code === 400),
    prepare: looking(async (write) => {
      const digest = digestOf(Buffer.from(`promised in one ${write.name}`));
      const answer = await write.send('POST', write.uploads(`?digest=${digest}`), { body: Buffer.from('other') });
      mustHaveStatus(answer, 202, 400);
      mustHaveStatus(await write.get(write.blob(digest)), 404);
    }),
  },
  {
    id: 'digest-mismatch-chunks',
    level: 'SHOULD',
    says: 'the closing PUT of chunks with another digest than that of the whole is 400, and nothing is stored',
    red: 'PUT: wanted status 400',
    broken: status(putUpload, 201, (code) => code === 400),
    prepare: looking(async (write) => {
      const first = await sendChunk(write, await beginUpload(write), 0, 'some chunk');
      const digest = digestOf(Buffer.from(`promised of chunks ${write.name}`));
      const url = withQuery(mustHaveHeader(first, 'location'), 'digest', digest);
      mustHaveStatus(await write.send('PUT', url), 400);
      mustHaveStatus(await write.get(write.blob(digest)), 404);
    }),
  },
  {
    id: 'digest-mismatch-manifest',
    level: 'SHOULD',
    says: 'PUT of a manifest by another digest than its own is 400, and nothing is stored',
    red: 'PUT: wanted status 400',
    broken: status(putAnyManifest, 201, (code) => code === 400),
    prepare: looking(async (write) => {
      const digest = digestOf(Buffer.from(`promised manifest ${write.name}`));
      mustHaveStatus(await putManifest(write, digest, indexOf(write.name)), 400);
      mustHaveStatus(await write.get(write.manifest(digest)), 404);
    }),
  },
  {
    id: 'digest-unsupported-post',
    level: 'SHOULD',
    says: 'POST with a digest of an algorithm that is not supported is 400, where it is not answered with 202',
    red: 'POST: wanted status 202 or 400',
    broken: status(post, 201, (code) => code === 400),
    prepare: looking(async (write) => {
      const answer = await write.send('POST', write.uploads(`?digest=${UNSUPPORTED}`), { body: Buffer.from('') });
      mustHaveStatus(answer, 202, 400);
    }),
  },
  {
    id: 'digest-unsupported-manifest',
    level: 'SHOULD',
    says: 'PUT of a manifest by a digest of an algorithm that is not supported is 400',
    red: 'PUT: wanted status 400',
    broken: status(putAnyManifest, 201, (code) => code === 400),
    prepare: looking(async (write) => mustHaveStatus(await putManifest(write, UNSUPPORTED, indexOf(write.name)), 400)),
  },
  {
    id: 'digest-unsupported-mount',
    level: 'SHOULD',
    says: 'a mount of a digest that is none is 400, where it is not answered with 202',
    red: 'POST: wanted status 202 or 400',
    broken: status(on('POST', /mount=/), 201, (code) => code === 400),
    prepare: looking(async (write) => {
      for (const wrong of [UNSUPPORTED, 'sha256:short']) {
        const answer = await write.send('POST', write.uploads(`?mount=${wrong}&from=${write.name}/source`));
        mustHaveStatus(answer, 202, 400);
      }
    }),
  },
  {
    id: 'digest-algorithm',
    level: 'SHOULD',
    says: 'POST takes digest-algorithm, and a blob is pushed in chunks under a sha512 digest',
    red: 'POST: wanted status 202',
    broken: status(on('POST', /digest-algorithm/), 400),
    async prepare({ write }) {
      const bytes = Buffer.from(`sha512 in chunks ${write.name}`);
      const digest = digestOf(bytes, 'sha512');
      const location = await beginUpload(write, '?digest-algorithm=sha512');
      const answer = await sendChunk(write, location, 0, bytes.toString());
      mustHaveStatus(answer, 202);
      const url = withQuery(mustHaveHeader(answer, 'location'), 'digest', digest);
      mustHaveStatus(await write.send('PUT', url), 201);
      return pulls(digest, bytes);
    },
  },
  {
    id: 'chunk-min-length',
    level: 'SHOULD',
    says: 'where there is a smallest chunk, OCI-Chunk-Min-Length is a number of bytes',
    red: 'POST: wanted a header oci-chunk-min-length like',
    broken: header(post, 'oci-chunk-min-length', 'some'),
    prepare: looking(async (write) => {
      const answer = await write.send('POST', write.uploads());
      if (answer.headers.has('oci-chunk-min-length')) mustHaveHeader(answer, 'oci-chunk-min-length', /^[0-9]+$/);
    }),
  },
  {
    id: 'chunk-accepted',
    level: 'MUST',
    says: 'PATCH of a chunk answers 202',
    red: 'PATCH: wanted status 202',
    broken: status(patch, 204, (code) => code === 202),
    prepare: ({ write }) => chunks(write, ['one ', 'two ', 'three'], undefined),
  },
  {
    id: 'chunk-location',
    level: 'MUST',
    says: 'PATCH of a chunk answers with the Location of the upload',
    red: 'PATCH: wanted a header location',
    broken: header(patch, 'location'),
    prepare: ({ write }) => chunks(write, ['location ', 'two'], undefined),
  },
  {
    id: 'chunk-range',
    level: 'MUST',
    says: 'PATCH of a chunk answers with the Range that has arrived, its last byte included',
    red: 'PATCH: wanted a header range like',
    broken: header(patch, 'range', (was) => was.replace(/\d+$/, (end) => String(Number(end) + 1))),
    prepare: ({ write }) => chunks(write, ['range ', 'two'], undefined),
  },
  {
    id: 'streamed',
    level: 'MUST',
    says: 'PATCH without a Content-Range goes on where the upload is',
    red: 'PATCH: wanted status 202',
    broken: status(patch, 411, (code) => code === 202),
    async prepare({ write }) {
      const { bytes, digest } = blobOf(`streamed ${write.name}`);
      const answer = await write.send('PATCH', await beginUpload(write), { body: bytes });
      mustHaveStatus(answer, 202);
      mustHaveHeader(answer, 'range', new RegExp(`^0-${bytes.byteLength - 1}$`));
      mustHaveStatus(await write.send('PUT', withQuery(mustHaveHeader(answer, 'location'), 'digest', digest)), 201);
      return pulls(digest, bytes);
    },
  },
  {
    id: 'streamed-chunked',
    level: 'MUST',
    says: 'PATCH of a body without Content-Length (Transfer-Encoding: chunked) is taken',
    red: 'PATCH: wanted status 202',
    broken: status(({ method, chunked }) => method === 'PATCH' && chunked, 411),
    async prepare({ write }) {
      const parts = ['sent ', 'in ', `parts ${write.name}`].map((part) => Buffer.from(part));
      const { bytes, digest } = blobOf(parts.join(''));
      const answer = await write.send('PATCH', await beginUpload(write), { body: parts });
      mustHaveStatus(answer, 202);
      mustHaveHeader(answer, 'range', new RegExp(`^0-${bytes.byteLength - 1}$`));
      mustHaveStatus(await write.send('PUT', withQuery(mustHaveHeader(answer, 'location'), 'digest', digest)), 201);
      return pulls(digest, bytes);
    },
  },
  {
    id: 'chunk-first',
    level: 'MUST',
    says: 'a first chunk that does not begin at 0 is 416',
    red: 'PATCH: wanted status 416',
    broken: requestHeader(patch, 'content-range'),
    prepare: looking(async (write) => mustHaveStatus(await sendChunk(write, await beginUpload(write), 5, 'late'), 416)),
  },
  {
    id: 'chunk-range-grammar',
    level: 'MUST',
    says: 'a Content-Range that is not <first>-<last> is refused',
    red: 'PATCH: wanted status 400 or 416',
    broken: requestHeader(patch, 'content-range'),
    prepare: looking(async (write) => {
      const location = await beginUpload(write);
      for (const wrong of ['bytes 0-4/5', '0', '4-0', 'a-b', '0-4/5']) {
        const headers = { 'content-type': 'application/octet-stream', 'content-range': wrong };
        mustHaveStatus(await write.send('PATCH', location, { headers, body: Buffer.from('chunk') }), 400, 416);
      }
    }),
  },
  {
    id: 'chunk-order',
    level: 'MUST',
    says: 'a chunk out of order is 416, and the upload can go on',
    red: 'PATCH: wanted status 416',
    broken: requestHeader(patch, 'content-range'),
    async prepare({ write }) {
      const first = await sendChunk(write, await beginUpload(write), 0, 'first ');
      const location = mustHaveHeader(first, 'location');
      mustHaveStatus(await sendChunk(write, location, 40, 'late'), 416);
      mustHaveStatus(await sendChunk(write, location, 3, 'early'), 416);
      const second = await sendChunk(write, location, 6, 'second');
      const { bytes, digest } = blobOf('first second');
      mustHaveStatus(await write.send('PUT', withQuery(mustHaveHeader(second, 'location'), 'digest', digest)), 201);
      return pulls(digest, bytes);
    },
  },
  {
    id: 'closing-chunk',
    level: 'MUST',
    says: 'the last chunk may come with the closing PUT, which answers 201',
    red: 'PUT: wanted status 201',
    broken: status(putUpload, 204, created),
    prepare: ({ write }) => chunks(write, ['one '], 'closing'),
  },
  {
    id: 'closing-location',
    level: 'MUST',
    says: 'the closing PUT answers with a Location from which the blob can be pulled',
    red: 'PUT: wanted a header location',
    broken: header(putUpload, 'location'),
    prepare: ({ write }) => chunks(write, ['one ', 'two '], 'location'),
  },
  {
    id: 'closing-order',
    level: 'MUST',
    says: 'a last chunk out of order is 416',
    red: 'PUT: wanted status 416',
    broken: requestHeader(putUpload, 'content-range'),
    prepare: looking(async (write) => {
      const first = await sendChunk(write, await beginUpload(write), 0, 'first');
      const url = withQuery(mustHaveHeader(first, 'location'), 'digest', digestOf(Buffer.from('firstlast')));
      mustHaveStatus(await sendChunk(write, url, 9, 'last', 'PUT'), 416);
    }),
  },
  {
    id: 'closing-digest',
    level: 'MUST',
    says: 'the closing PUT has the digest of the whole blob; without one nothing is stored',
    red: 'PUT: wanted status 400',
    broken: status(putUpload, 201, (code) => code === 400),
    prepare: looking(async (write) => {
      const first = await sendChunk(write, await beginUpload(write), 0, 'no digest');
      mustHaveStatus(await write.send('PUT', mustHaveHeader(first, 'location')), 400);
    }),
  },
  {
    id: 'state',
    level: 'MUST',
    says: 'GET of an upload answers 204',
    red: 'GET: wanted status 204',
    broken: status(getUpload, 200, (code) => code === 204),
    prepare: looking(async (write) => {
      const first = await sendChunk(write, await beginUpload(write), 0, 'state');
      mustHaveStatus(await write.get(mustHaveHeader(first, 'location')), 204);
    }),
  },
  {
    id: 'state-location',
    level: 'MUST',
    says: 'GET of an upload answers with its Location',
    red: 'GET: wanted a header location',
    broken: header(getUpload, 'location'),
    prepare: looking(async (write) => {
      const first = await sendChunk(write, await beginUpload(write), 0, 'state');
      mustHaveHeader(await write.get(mustHaveHeader(first, 'location')), 'location');
    }),
  },
  {
    id: 'state-range',
    level: 'MUST',
    says: 'GET of an upload answers with the Range that has arrived',
    red: 'GET: wanted a header range like',
    broken: header(getUpload, 'range', '0-9'),
    prepare: looking(async (write) => {
      const first = await sendChunk(write, await beginUpload(write), 0, 'state');
      mustHaveHeader(await write.get(mustHaveHeader(first, 'location')), 'range', /^0-4$/);
    }),
  },
  {
    id: 'cancel',
    level: 'SHOULD',
    says: 'DELETE of an upload answers 204, where an upload can be cancelled',
    red: 'DELETE: wanted status 204',
    broken: status(on('DELETE', /\/blobs\/uploads\//), 202, (code) => code === 204),
    prepare: looking(async (write) => {
      const location = await beginUpload(write);
      const answer = await write.send('DELETE', location);
      if (answer.status === 405) throw new NotApplicable('uploads cannot be cancelled');
      mustHaveStatus(answer, 204);
    }),
  },
  {
    id: 'mount',
    level: 'MUST',
    says: 'a mounted blob answers 201; a registry that cannot mount answers 202 and begins an upload',
    red: 'POST: wanted status 201 or 202',
    broken: status(on('POST', /mount=/), 200, created),
    async prepare({ write }) {
      const blob = blobOf(`mounted ${write.name}`);
      const source = write.sibling(`${write.path}/source`);
      await pushBlob(source, blob);
      const answer = await write.send('POST', write.uploads(`?mount=${blob.digest}&from=${source.name}`));
      mustHaveStatus(answer, 201, 202);
      if (answer.status === 202) await pushBlob(write, blob);
      return pulls(blob.digest, blob.bytes);
    },
  },
  {
    id: 'mount-location',
    level: 'MUST',
    says: 'a mounted blob answers with a Location from which it can be pulled',
    red: 'POST: wanted a header location',
    broken: header(on('POST', /mount=/), 'location'),
    prepare: looking(async (write) => {
      const blob = blobOf(`mounted from ${write.name}`);
      const source = write.sibling(`${write.path}/source`);
      await pushBlob(source, blob);
      const answer = await write.send('POST', write.uploads(`?mount=${blob.digest}&from=${source.name}`));
      const location = mustHaveHeader(answer, 'location');
      if (answer.status === 201) mustHaveStatus(await write.get(location), 200);
    }),
  },
  {
    id: 'mount-unknown',
    level: 'SHOULD',
    says: 'a blob that cannot be mounted answers 202 with the Location of an upload',
    red: 'POST: wanted status 202',
    broken: status(on('POST', /mount=/), 404, (code) => code === 202),
    prepare: looking(async (write) => {
      const digest = digestOf(Buffer.from(`nowhere ${write.name}`));
      const answer = await write.send('POST', write.uploads(`?mount=${digest}&from=${write.name}/source`));
      mustHaveStatus(answer, 202);
      mustHaveStatus(await write.get(mustHaveHeader(answer, 'location')), 204);
    }),
  },
  {
    id: 'mount-anywhere',
    level: 'SHOULD',
    says: 'a mount that does not say from where answers 201 or 202',
    red: 'POST: wanted status 201 or 202',
    broken: status(on('POST', /mount=[^&]+$/), 400),
    prepare: looking(async (write) => {
      const blob = blobOf(`anonymous ${write.name}`);
      await pushBlob(write.sibling(`${write.path}/source`), blob);
      mustHaveStatus(await write.send('POST', write.uploads(`?mount=${blob.digest}`)), 201, 202);
    }),
  },
  {
    id: 'manifest-created',
    level: 'MUST',
    says: 'PUT of a manifest answers 201',
    red: 'PUT: wanted status 201',
    broken: status(putAnyManifest, 200, created),
    prepare: looking(async (write) => mustHaveStatus(await putManifest(write, 'v1', indexOf(write.name)), 201)),
  },
  {
    id: 'manifest-location',
    level: 'MUST',
    says: 'PUT of a manifest answers with a Location from which it can be pulled',
    red: 'PUT: wanted a header location',
    broken: header(putAnyManifest, 'location'),
    prepare: looking(async (write) => {
      const answer = await putManifest(write, 'v1', indexOf(write.name));
      mustHaveStatus(await write.get(mustHaveHeader(answer, 'location')), 200);
    }),
  },
  {
    id: 'manifest-digest',
    level: 'MUST',
    says: 'the Docker-Content-Digest of a pushed manifest is the digest that it was pushed by',
    red: 'PUT: wanted a header docker-content-digest like',
    broken: header(putAnyManifest, 'docker-content-digest', digestOf(Buffer.from('other'))),
    prepare: looking(async (write) => {
      const index = indexOf(write.name);
      const answer = await putManifest(write, index.digest, index);
      mustHaveStatus(answer, 201);
      mustHaveHeader(answer, 'docker-content-digest', new RegExp(`^${index.digest}$`));
    }),
  },
  {
    id: 'manifest-bytes',
    level: 'MUST',
    says: 'a manifest is stored in exactly the bytes that it came in',
    red: 'GET: wanted exactly the bytes that were pushed',
    broken: body(on('GET', /\/manifests\//), (was) => was.toString().trimEnd()),
    async prepare({ write }) {
      const index = indexOf(write.name);
      await pushManifest(write, 'v1', index);
      return async (read) => {
        const answer = await read.get(read.manifest('v1'));
        must(answer.bytes.equals(index.bytes), answer, 'wanted exactly the bytes that were pushed');
      };
    },
  },
  {
    id: 'manifest-type-parameters',
    level: 'SHOULD',
    says: 'parameters of a pushed Content-Type are ignored',
    red: 'PUT: wanted status 201',
    broken: status((request) => /;/.test(request.headers['content-type'] ?? ''), 400),
    async prepare({ write }) {
      const index = indexOf(write.name);
      mustHaveStatus(await putManifest(write, 'v1', index, `${INDEX}; charset=utf-8`), 201);
      return async (read) => {
        const answer = await read.get(read.manifest('v1'));
        mustHaveHeader(answer, 'content-type', new RegExp(`^${INDEX.replaceAll('+', '\\+')}`));
      };
    },
  },
  {
    id: 'manifest-without-layers',
    level: 'MUST',
    says: 'the list of an image’s layers may be empty',
    red: 'PUT: wanted status 201',
    broken: status(putAnyManifest, 400, created),
    prepare: looking(async (write) => {
      const config = blobOf(`config ${write.name}`);
      await pushBlob(write, config);
      const manifest = manifestOf({ config: descriptorOf(config), layers: [] });
      mustHaveStatus(await putManifest(write, 'v1', manifest), 201);
    }),
  },
  {
    id: 'manifest-blob-unknown',
    level: 'MUST',
    says: 'a manifest that is refused for a blob which is not there is refused with MANIFEST_BLOB_UNKNOWN',
    red: 'PUT: wanted the code MANIFEST_BLOB_UNKNOWN',
    broken: json(putAnyManifest, () => ({ errors: [{ code: 'MANIFEST_INVALID' }] })),
    prepare: looking(async (write) => {
      const answer = await putManifest(write, 'v1', imageOf(write.name).manifest);
      if (answer.status === 201) return;
      mustHaveStatus(answer, 400, 404);
      const errors = mustBeJson(answer)['errors'];
      const codes = Array.isArray(errors) ? errors.map((each: { readonly code?: unknown }) => each.code) : [];
      must(codes.includes('MANIFEST_BLOB_UNKNOWN'), answer, 'wanted the code MANIFEST_BLOB_UNKNOWN');
    }),
  },
  {
    id: 'manifest-large',
    level: 'SHOULD',
    says: 'manifests of 4 megabytes are taken',
    red: 'PUT: wanted status 201',
    broken: status((request) => request.body.byteLength > 100_000, 413),
    async prepare({ write }) {
      const index = indexOf(write.name, { annotations: { large: 'x'.repeat(3_990_000) } });
      mustHaveStatus(await putManifest(write, 'v1', index), 201);
      return async (read) => {
        const answer = await read.get(read.manifest('v1'));
        must(answer.bytes.equals(index.bytes), answer, 'wanted the whole manifest');
      };
    },
  },
  {
    id: 'manifest-too-large',
    level: 'SHOULD',
    says: 'a manifest above the limit is 413',
    red: 'PUT: wanted status 413',
    broken: status((request) => request.body.byteLength > 10_000_000, 400),
    prepare: looking(async (write) => {
      const index = indexOf(write.name, { annotations: { large: 'x'.repeat(33_000_000) } });
      // A registry may close the connection rather than read all of it; that is no answer to judge.
      const answer = await putManifest(write, 'v1', index).catch(() => undefined);
      if (answer !== undefined) mustHaveStatus(answer, 413);
    }),
  },
  {
    id: 'tags-with-digest',
    level: 'SHOULD',
    says: 'one push by digest sets at least ten tags',
    red: 'GET: wanted status 200',
    broken: target(putAnyManifest, (was) => was.replaceAll(/&tag=t[0-9]/g, '')),
    async prepare({ write }) {
      const index = indexOf(write.name);
      const tags = Array.from({ length: 10 }, (_, number) => `t${number}`);
      const query = tags.map((tag) => `tag=${tag}`).join('&');
      const answer = await putManifest(write, `${index.digest}?${query}`, index);
      mustHaveStatus(answer, 201);
      if (!answer.headers.has('oci-tag')) return undefined;
      return async (read) => {
        for (const tag of tags) mustHaveStatus(await read.get(read.manifest(tag)), 200);
      };
    },
  },
  {
    id: 'tags-header',
    level: 'MUST',
    says: 'a registry that sets tags with a push by digest names each of them in OCI-Tag',
    red: 'PUT: wanted OCI-Tag to name one and two',
    broken: header(putAnyManifest, 'oci-tag', 'one'),
    prepare: looking(async (write) => {
      const index = indexOf(write.name);
      const answer = await putManifest(write, `${index.digest}?tag=one&tag=two`, index);
      if ((await write.get(write.manifest('two'))).status !== 200) return;
      const named = mustHaveHeader(answer, 'oci-tag').split(/, */);
      must(named.includes('one') && named.includes('two'), answer, 'wanted OCI-Tag to name one and two');
    }),
  },
  {
    id: 'subject',
    level: 'MUST',
    says: 'PUT of a manifest with a subject answers with OCI-Subject, if there is a referrers API',
    red: 'PUT: wanted a header oci-subject',
    broken: header(putAnyManifest, 'oci-subject'),
    prepare: looking(async (write) => {
      const image = imageOf(write.name);
      await pushImage(write, 'v1', image);
      const answer = await putManifest(write, 's', indexOf(write.name, { subject: descriptorOf(image.manifest) }));
      mustHaveStatus(answer, 201);
      mustHaveHeader(answer, 'oci-subject', new RegExp(`^${image.manifest.digest}$`));
    }),
  },
  {
    id: 'subject-missing',
    level: 'MUST',
    says: 'a manifest is taken although its subject is not there',
    red: 'PUT: wanted status 201',
    broken: refuseSubject,
    prepare: looking(async (write) => {
      const subject = descriptorOf(imageOf(`${write.name} never pushed`).manifest);
      mustHaveStatus(await putManifest(write, 's', indexOf(write.name, { subject })), 201);
    }),
  },
]);
