import { connect } from 'node:net';
import {
  buildImage,
  type FaultUpstream,
  movableClock,
  type RawAnswer,
  rawGet,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';

// F159 to F169, and F60: what clients and administrators can get wrong, as far as no other suite has it. Raw sockets,
// because clients of HTTP tidy up what they send.

const image = buildImage({ seed: 'client faults', layers: [40_000, 10] });
const LAYER = image.layers[0]?.digest ?? '';
const RAW_WITHIN_MS = 5_000;

/** Stands still in a test, so that nothing is given back by time. */
const clock = movableClock(Date.now());
let breakwater: TestRegistry;
let upstream: FaultUpstream;
let organization: string;
let repository: string;

beforeAll(async () => {
  breakwater = await startTestRegistry({ clock });
  upstream = await startFaultUpstream();
  upstream.add('team/app', 'v1', image);
  organization = await breakwater.proxyOrganization({ upstream_registry: upstream.host, staleness_period_s: 3_600 });
  repository = `${organization}/team/app`;
}, 60_000);
afterAll(async () => {
  await breakwater?.close();
  await upstream?.close();
});
beforeEach(() => {
  clock.advance({ minutes: 1 });
  upstream.clearFaults();
  upstream.reset();
});

interface RawReply {
  readonly status: number;
  readonly text: string;
}

/** Sends exactly these bytes and reads until the connection ends. */
function raw(bytes: string): Promise<RawReply> {
  const { hostname, port } = new URL(breakwater.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let text = '';
    socket.setTimeout(RAW_WITHIN_MS, () => socket.destroy(new Error(`no end after ${text.slice(0, 100)}`)));
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (text === '') reject(error);
    });
    socket.on('close', () => resolve({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]), text }));
    socket.write(bytes, 'latin1');
  });
}

function rawPath(path: string): Promise<RawReply> {
  return raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
}

const long = 'a'.repeat(10 * 1024);
test.each([
  ['a traversal', (of: string) => `/v2/${of}/../../manifests/v1`],
  ['an encoded traversal', (of: string) => `/v2/${of}/%2e%2e/manifests/v1`],
  ['an encoded slash', (of: string) => `/v2/${of.replace('/team', '%2Fteam')}/manifests/v1`],
  ['an encoded NUL', (of: string) => `/v2/${of}/manifests/v1%00`],
  ['a backslash', (of: string) => `/v2/${of}\\x/manifests/v1`],
  ['an empty part', (of: string) => `/v2/${of}//x/manifests/v1`],
  ['upper case', (of: string) => `/v2/${of}/Upper/manifests/v1`],
  ['a name of 10 KiB', (of: string) => `/v2/${of}/${long}/manifests/v1`],
  ['a tag of 10 KiB', (of: string) => `/v2/${of}/manifests/${long}`],
  ['a tag that begins with a dash', (of: string) => `/v2/${of}/manifests/-v1`],
  ['a tag with a space', (of: string) => `/v2/${of}/manifests/v%201`],
])('F159: %s is 400 or 404, and nothing is asked', async (_what, path) => {
  const { status, text } = await rawPath(path(repository));
  expect([400, 404]).toContain(status);
  expect(text).toMatch(/NAME_INVALID|TAG_INVALID|MANIFEST_UNKNOWN|MANIFEST_INVALID|DIGEST_INVALID|NAME_UNKNOWN/);
  expect(upstream.count()).toBe(0);
});

test.each([
  'sha256:short',
  `sha256:${'A'.repeat(64)}`,
  `sha256:${'g'.repeat(64)}`,
  `md5:${'0'.repeat(32)}`,
  `sha384:${'0'.repeat(96)}`,
  `sha256:${'0'.repeat(63)}/`,
])('F160: the digest %s is 400, and nothing is asked', async (digest) => {
  for (const kind of ['blobs', 'manifests']) {
    const { status, text } = await rawPath(`/v2/${repository}/${kind}/${digest}`);
    expect([400, 404]).toContain(status);
    if (kind === 'blobs' && !digest.endsWith('/')) expect(text).toContain('DIGEST_INVALID');
  }
  expect(upstream.count()).toBe(0);
});

test.each([
  ['POST', '/blobs/uploads/'],
  ['POST', `/blobs/uploads/?mount=${LAYER}&from=other/app`],
  ['PATCH', '/blobs/uploads/1'],
  ['PUT', '/manifests/v1'],
  ['DELETE', '/manifests/v1'],
  ['DELETE', `/blobs/${LAYER}`],
])('F161: %s %s is 405 also for the administrator, and nothing is asked', async (method, path) => {
  const { status, body } = await breakwater.api(method, `/v2/${repository}${path}`);
  expect(status).toBe(405);
  expect(body).toMatchObject({ errors: [{ code: 'UNSUPPORTED' }] });
  expect(upstream.count()).toBe(0);
});

test('F162: a tag that nobody has is asked for once, however many ask', async () => {
  const url = `${breakwater.url}/v2/${repository}/manifests/none`;
  for (let n = 0; n < 5; n += 1) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => rawGet(url)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404]));
  }
  expect(upstream.count()).toBe(1);
  const { rows } = await breakwater.state.database.knex.raw("select 1 from cached_tag where tag = 'none'");
  expect(rows).toEqual([]);
});

describe('F162: a flood of tags that nobody has', () => {
  const FLOOD = 260;
  const BUDGET = 200;
  const ask = (n: number, headers = {}) =>
    rawGet(`${breakwater.url}/v2/${repository}/manifests/made-up-${n}`, { headers });

  test('reaches the upstream within the budget of a client, and costs nobody what is cached', async () => {
    const cached = `${breakwater.url}/v2/${repository}`;
    for (const path of ['manifests/v1', `blobs/${LAYER}`, 'tags/list']) {
      expect((await rawGet(`${cached}/${path}`)).status).toBe(200);
    }
    upstream.reset();
    const answers: RawAnswer[] = [];
    for (let n = 0; n < FLOOD; n += 20) {
      answers.push(...(await Promise.all(Array.from({ length: 20 }, (_, each) => ask(n + each)))));
    }
    const statuses = answers.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([404, 429]));
    // What was asked at the same time as the last that could be paid may go through.
    expect(upstream.count()).toBeLessThan(BUDGET + 20);
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.headers['retry-after']).toBe('5');
    expect(refused?.bytes.toString()).toContain('TOOMANYREQUESTS');

    for (const path of ['manifests/v1', `manifests/${image.manifest.digest}`, `blobs/${LAYER}`, 'tags/list']) {
      expect((await rawGet(`${cached}/${path}`)).status).toBe(200);
    }
    for (const path of [`blobs/${image.config.digest}`, 'referrers/sha256:'.padEnd(81, '0')]) {
      expect((await rawGet(`${cached}/${path}`)).status).toBe(429);
    }
    // Another client has a budget of its own, and so has whoever signs in.
    expect((await ask(FLOOD, { authorization: breakwater.authorization })).status).toBe(404);
  });
});

describe('F163: who is not let in', () => {
  const jwt = (header: object, claims: object) =>
    [header, claims, 'x'].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const HOUR_S = 3_600;
  let closed: string;
  let expired: string;

  beforeAll(async () => {
    closed = await breakwater.proxyOrganization({ upstream_registry: upstream.host, anonymous_pull: false });
    const { authorization } = breakwater;
    for (const path of ['manifests/v1', `blobs/${LAYER}`]) {
      const pulled = await rawGet(`${breakwater.url}/v2/${closed}/team/app/${path}`, { headers: { authorization } });
      expect(pulled.status).toBe(200);
    }
    const scope = encodeURIComponent(`repository:${closed}/team/app:pull`);
    const asked = `${breakwater.url}/v2/auth?service=breakwater&scope=${scope}`;
    const { token } = JSON.parse((await rawGet(asked, { headers: { authorization } })).bytes.toString());
    expired = token;
    const good = await rawGet(`${breakwater.url}/v2/${closed}/team/app/manifests/v1`, {
      headers: { authorization: `Bearer ${expired}` },
    });
    expect(good.status).toBe(200);
    clock.advance({ seconds: HOUR_S });
  });

  const claims = () => {
    const now = Math.floor(clock.now() / 1_000);
    const access = [{ type: 'repository', name: `${closed}/team/app`, actions: ['pull'] }];
    return {
      iss: 'breakwater',
      aud: 'breakwater',
      sub: 'admin',
      nbf: now - 5,
      iat: now - 5,
      exp: now + HOUR_S,
      access,
    };
  };

  test.each([
    ['nothing', () => undefined],
    ['a wrong password', () => `Basic ${Buffer.from('admin:wrong').toString('base64')}`],
    ['nobody’s name', () => `Basic ${Buffer.from('nobody:wrong').toString('base64')}`],
    ['what is no token', () => 'Bearer x'],
    ['a token that has expired', () => `Bearer ${expired}`],
    ['a token that nobody signed', () => `Bearer ${jwt({ alg: 'none', typ: 'JWT' }, claims())}`],
    ['a token that somebody else signed', () => `Bearer ${jwt({ alg: 'HS256', typ: 'JWT' }, claims())}`],
  ])('%s: 401 and our own challenge, whatever is asked for, and nobody is asked', async (_what, authorization) => {
    const sent = authorization();
    const headers = sent === undefined ? {} : { authorization: sent };
    const bodies = new Set<string>();
    for (const path of ['manifests/v1', 'manifests/none', `blobs/${LAYER}`, 'tags/list']) {
      for (const repository of [`${closed}/team/app`, `${closed}/team/none`]) {
        for (const method of ['GET', 'HEAD']) {
          const answer = await rawGet(`${breakwater.url}/v2/${repository}/${path}`, { method, headers });
          expect(answer.status).toBe(401);
          expect(answer.headers['www-authenticate']).toContain(breakwater.url);
          expect(answer.headers['docker-content-digest']).toBeUndefined();
          if (method === 'GET') bodies.add(JSON.parse(answer.bytes.toString()).errors[0].code);
        }
      }
    }
    expect(bodies).toEqual(new Set(['UNAUTHORIZED']));
    expect(upstream.count()).toBe(0);
  });
});

test('F164: what one organization has cached is not readable in another by digest', async () => {
  const other = await startFaultUpstream();
  try {
    expect((await rawGet(`${breakwater.url}/v2/${repository}/manifests/v1`)).status).toBe(200);
    expect((await rawGet(`${breakwater.url}/v2/${repository}/blobs/${LAYER}`)).status).toBe(200);
    const stranger = await breakwater.proxyOrganization({ upstream_registry: other.host });
    for (const method of ['GET', 'HEAD']) {
      for (const path of [`blobs/${LAYER}`, `manifests/${image.manifest.digest}`]) {
        const answer = await rawGet(`${breakwater.url}/v2/${stranger}/team/app/${path}`, { method });
        expect(answer.status).toBe(404);
        expect(answer.headers['docker-content-digest']).toBeUndefined();
      }
    }
    const range = { headers: { range: 'bytes=0-1' } };
    expect((await rawGet(`${breakwater.url}/v2/${stranger}/team/app/blobs/${LAYER}`, range)).status).toBe(404);
  } finally {
    await other.close();
  }
});

test.each(['application/vnd.docker.distribution.manifest.v2+json', 'text/html', '*/*', undefined])(
  'F166: Accept %s gets what is stored, and the upstream is asked for everything',
  async (accept) => {
    const headers = accept === undefined ? {} : { accept };
    const answer = await rawGet(`${breakwater.url}/v2/${repository}/manifests/v1`, { headers });
    expect(answer).toMatchObject({ status: 200, headers: { 'content-type': image.manifest.mediaType } });
    for (const request of upstream.requests) expect(request.headers.accept).toContain(image.manifest.mediaType);
  },
);

describe('F167', () => {
  test('headers of 100 KiB are 431', async () => {
    const request = `GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(100 * 1024)}\r\n\r\n`;
    expect((await raw(request)).status).toBe(431);
  });

  test.each([
    ['GET', 'of four bytes', 'Content-Length: 4', 'body'],
    ['HEAD', 'of four bytes', 'Content-Length: 4', 'body'],
    ['GET', 'in chunks', 'Transfer-Encoding: chunked', '4\r\nbody\r\n0\r\n\r\n'],
    ['HEAD', 'in chunks', 'Transfer-Encoding: chunked', '0\r\n\r\n'],
    ['GET', 'that looks like a request', 'Content-Length: 38', 'GET /v2/ HTTP/1.1\r\nHost: elsewhere\r\n\r\n'],
  ])(
    'S35: %s with a body %s is 400 and ends the connection, before anything else',
    async (method, _what, how, body) => {
      for (const path of [`/v2/${repository}/manifests/none`, '/v2/', '/metrics', '/api/v1/organization/nobody']) {
        const { status, text } = await raw(`${method} ${path} HTTP/1.1\r\nHost: x\r\n${how}\r\n\r\n${body}`);
        expect(status).toBe(400);
        expect(text).toMatch(/\r\nconnection: close\r\n/i);
        if (method === 'GET') expect(text).toContain('must come without a body');
        // What stands in the body is not another request.
        expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1);
      }
      expect(upstream.count()).toBe(0);
    },
  );

  test('a body of no length is none', async () => {
    const request = `GET /v2/${repository}/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
    expect((await raw(request)).status).toBe(200);
  });

  test('an expectation that nobody knows is 417', async () => {
    const request = `GET /v2/${repository}/manifests/v1 HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\nConnection: close\r\n\r\n`;
    expect((await raw(request)).status).toBe(417);
  });
});

test('HEAD of a blob that is on its way is answered from the download, and asks nothing', async () => {
  const fresh = buildImage({ seed: 'on its way', layers: [40_000] });
  const digest = fresh.layers[0]?.digest;
  upstream.add('team/slow', 'v1', fresh);
  upstream.fault({ kind: 'drip', bytesPerSecond: 80_000 }, { match: { kind: 'blob', method: 'GET' } });
  const url = `${breakwater.url}/v2/${organization}/team/slow/blobs/${digest}`;
  const pulling = rawGet(url);
  while (upstream.count({ kind: 'blob' }) === 0) await new Promise((resolve) => setImmediate(resolve));
  const head = await rawGet(url, { method: 'HEAD' });
  const whole = await pulling;
  expect(head).toMatchObject({ status: 200, headers: { 'content-length': String(whole.bytes.byteLength) } });
  expect(`sha256:${whole.sha256}`).toBe(digest);
  expect(upstream.count({ kind: 'blob' })).toBe(1);
});

test('F60: the urls of a layer are never fetched; its blob is asked of the upstream, which does not have it', async () => {
  const canary = await startFaultUpstream();
  try {
    const foreign = buildImage({ seed: 'foreign', foreignLayerUrls: [`${canary.origins.registry}/layer.tar`] });
    const layer = foreign.layers.find(({ urls }) => urls !== undefined);
    upstream.add('team/foreign', 'v1', foreign);
    const base = `${breakwater.url}/v2/${organization}/team/foreign`;
    expect(await rawGet(`${base}/manifests/v1`)).toMatchObject({ status: 200 });
    const missing = await rawGet(`${base}/blobs/${layer?.digest}`);
    expect(missing.status).toBe(404);
    expect(missing.bytes.toString()).toContain('BLOB_UNKNOWN');
    expect(canary.acceptedConnections).toBe(0);
  } finally {
    await canary.close();
  }
});

test.each([
  ['-1', -1],
  ['a fraction', 1.5],
  ['more than can be', 1e20],
  ['one above the most', 315_360_001],
  ['a text', '1h'],
  ['a number as a text', '3600'],
  ['nothing', null],
  ['a list', [3_600]],
])('F169: a staleness period of %s is 400, names the field, and changes nothing', async (_what, value) => {
  const path = `/api/v1/organization/${organization}/proxycache`;
  const { status, body } = await breakwater.api('PUT', path, { staleness_period_s: value });
  expect(status).toBe(400);
  expect(JSON.stringify(body)).toContain('staleness_period_s');
  expect((await breakwater.api('GET', path)).body).toMatchObject({ staleness_period_s: 3_600 });
});

test.each([0, 1, 315_360_000])('F169: a staleness period of %i is one', async (value) => {
  const path = `/api/v1/organization/${organization}/proxycache`;
  expect((await breakwater.api('PUT', path, { staleness_period_s: value })).status).toBe(200);
  await breakwater.api('PUT', path, { staleness_period_s: 3_600 });
});

test('F168: a staleness period that is lowered in an outage ends it at once, and raised again rescues', async () => {
  const clocked = await startFaultUpstream();
  try {
    clocked.add('team/app', 'v1', image);
    const settings = { upstream_registry: clocked.host, staleness_period_s: 3_600, check_interval_s: 0 };
    const name = await breakwater.proxyOrganization(settings);
    const url = `${breakwater.url}/v2/${name}/team/app/manifests/v1`;
    const change = (seconds: number) =>
      breakwater.api('PUT', `/api/v1/organization/${name}/proxycache`, { staleness_period_s: seconds });
    expect((await rawGet(url)).status).toBe(200);
    await clocked.kill();
    expect((await rawGet(url)).status).toBe(200);
    await change(0);
    expect((await rawGet(url)).status).toBe(503);
    await change(3_600);
    expect((await rawGet(url)).status).toBe(200);
  } finally {
    await clocked.close();
  }
});
