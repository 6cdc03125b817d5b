import { type Answer, must, mustBeJson, mustHaveHeader, mustHaveStatus, NotApplicable } from '../answer.js';
import { checksOf } from '../check.js';
import { digestOf, imageOf, indexOf, pushImage, pushManifest } from '../content.js';
import { header, json, on, status } from '../sabotage.js';
import type { Session } from '../session.js';

const CODES: ReadonlySet<unknown> = new Set([
  'BLOB_UNKNOWN',
  'BLOB_UPLOAD_INVALID',
  'BLOB_UPLOAD_UNKNOWN',
  'DIGEST_INVALID',
  'MANIFEST_BLOB_UNKNOWN',
  'MANIFEST_INVALID',
  'MANIFEST_UNKNOWN',
  'NAME_INVALID',
  'NAME_UNKNOWN',
  'SIZE_INVALID',
  'UNAUTHORIZED',
  'DENIED',
  'UNSUPPORTED',
  'TOOMANYREQUESTS',
]);

interface ErrorJson {
  readonly code?: unknown;
  readonly message?: unknown;
}

/** The errors of a 4xx answer in JSON; none when the body is of another format, which is allowed. */
function errorsIn(answer: Answer): readonly ErrorJson[] {
  if (answer.status < 400 || answer.status > 499 || !/json/.test(answer.headers.get('content-type') ?? '')) return [];
  const { errors } = mustBeJson(answer);
  must(Array.isArray(errors) && errors.length > 0, answer, 'wanted errors as a list');
  return errors as ErrorJson[];
}

/** Requests that go wrong, each in a way of its own. */
async function failures(read: Session): Promise<readonly Answer[]> {
  const digest = digestOf(Buffer.from(`none ${read.name}`));
  const nowhere = '00000000-0000-4000-8000-000000000000';
  return [
    await read.get(read.manifest('no-such-tag')),
    await read.get(read.manifest(digest)),
    await read.get(read.blob(digest)),
    await read.get(read.blob('sha256:short')),
    await read.get(read.referrers('nonsense')),
    await read.get(read.tags('?n=nonsense')),
    await read.get('/v2/UPPER/case/tags/list'),
    await read.send('PATCH', read.uploads(nowhere), { body: Buffer.from('x') }),
    await read.send('PUT', read.manifest('v1'), { headers: { 'content-type': 'text/html' }, body: Buffer.from('<p>') }),
    await read.send('DELETE', read.blob(digest)),
    await read.send('POST', read.manifest('v1'), { body: Buffer.from('{}') }),
  ];
}

/** What no registry that counts them takes from one client. */
const SIGN_INS = 25;

const anything = () => true;

/** "Determining Support", "Error Codes", "Warnings". */
export const API_CHECKS = checksOf('api', [
  {
    id: 'support',
    level: 'MUST',
    says: 'GET /v2/ is 200 for whoever may pull',
    red: 'GET: wanted status 200',
    broken: status(on('GET', /^\/v2\/$/), 404),
    prepare: async () => async (read) => mustHaveStatus(await read.get('/v2/'), 200),
  },
  {
    id: 'error-format',
    level: 'MUST',
    says: 'a 4xx body in JSON is a list of errors',
    red: 'GET: wanted errors as a list',
    needsUpstream: true,
    broken: json(anything, ({ errors }) => ({ error: errors })),
    prepare: async () => async (read) => {
      for (const answer of await failures(read)) errorsIn(answer);
    },
  },
  {
    id: 'error-codes',
    level: 'MUST',
    says: 'the code of each error is one of the spec’s',
    red: 'GET: wanted a code of the spec',
    needsUpstream: true,
    broken: json(anything, (was) => (Array.isArray(was['errors']) ? { errors: [{ code: 'Oops' }] } : was)),
    prepare: async () => async (read) => {
      for (const answer of await failures(read)) {
        for (const { code } of errorsIn(answer)) must(CODES.has(code), answer, 'wanted a code of the spec');
      }
    },
  },
  {
    id: 'error-messages',
    level: 'SHOULD',
    says: 'the message of an error is a text',
    red: 'GET: wanted the message to be a text',
    needsUpstream: true,
    broken: json(anything, (was) =>
      Array.isArray(was['errors']) ? { errors: [{ code: 'DENIED', message: 7 }] } : was,
    ),
    prepare: async () => async (read) => {
      for (const answer of await failures(read)) {
        for (const { message } of errorsIn(answer)) {
          must(message === undefined || typeof message === 'string', answer, 'wanted the message to be a text');
        }
      }
    },
  },
  {
    id: 'retry-after',
    level: 'SHOULD',
    says: 'a 429 says in Retry-After when to come back',
    red: 'GET: wanted a header retry-after',
    broken: header(anything, 'retry-after'),
    prepare: async () => async (read) => {
      // Signs in wrongly, under a name that nobody has, more often than anybody would by mistake.
      for (let attempt = 1; attempt <= SIGN_INS; attempt += 1) {
        const wrong = Buffer.from(`nobody ${read.name}:wrong ${attempt}`).toString('base64');
        const answer = await read.sendOnce('GET', '/v2/', { headers: { authorization: `Basic ${wrong}` } });
        if (answer.status !== 429) continue;
        mustHaveHeader(answer, 'retry-after', /^(?:[0-9]+|.* GMT)$/);
        return;
      }
      throw new NotApplicable(`${SIGN_INS} wrong sign-ins are not too many here`);
    },
  },
  {
    id: 'warnings',
    level: 'MUST',
    says: 'a Warning is 299 - "text" without a date, 4,096 bytes at most, wherever it comes',
    red: 'GET: Warning has to be 299 - "text" without a date, 4,096 bytes at most',
    broken: header(
      on('GET', /\/manifests\//),
      'warning',
      '110 anderson "Response is Stale" "Wed, 21 Oct 2015 07:28:00 GMT"',
    ),
    async prepare({ write }) {
      // An index without its images may make a registry warn; a cache warns in an outage.
      const absent = imageOf(`${write.name} absent`).manifest;
      const { mediaType, digest } = absent;
      await pushManifest(write, 'v1', indexOf(write.name)).catch(() => undefined);
      await pushImage(write, 'v2', imageOf(write.name));
      const sparse = indexOf(write.name, { manifests: [{ mediaType, digest, size: absent.bytes.byteLength }] });
      await pushManifest(write, 'sparse', sparse).catch(() => undefined);
      return async (read) => {
        mustHaveStatus(await read.get(read.manifest('v2')), 200);
      };
    },
  },
]);
