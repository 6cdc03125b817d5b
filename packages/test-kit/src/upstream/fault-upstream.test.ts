import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { rawGet } from '../clients/raw-client.js';
import { pullImage } from '../clients/raw-pull.js';
import { movableClock } from '../clock/movable-clock.js';
import { buildImage, buildIndex } from '../images/image-builder.js';
import { type FaultUpstream, startFaultUpstream } from './fault-upstream.js';

const image = buildImage({ seed: 'upstream', layers: [100, 200_000] });
const layer = image.layers[1]?.digest ?? '';
const layerBytes = image.blobs.get(image.layers[1]?.digest ?? image.manifest.digest) ?? Buffer.alloc(0);

let upstream: FaultUpstream;
let manifestUrl: string;
let blobUrl: string;

beforeEach(async () => {
  upstream = await startFaultUpstream();
  upstream.add('org/app', 'v1', image);
  manifestUrl = `${upstream.origins.registry}/v2/org/app/manifests/v1`;
  blobUrl = `${upstream.origins.registry}/v2/org/app/blobs/${layer}`;
});

afterEach(async () => {
  await upstream.close();
  expect(upstream.openSockets).toBe(0);
});

/** The `code` that a request fails with. */
async function codeOf(request: Promise<unknown>): Promise<unknown> {
  return request.then(
    (answer) => answer,
    (error: { code?: string }) => error.code,
  );
}

describe('what it serves', () => {
  test('a whole image, and a whole index', async () => {
    expect((await pullImage(upstream.origins.registry, 'org/app', 'v1')).problems).toEqual([]);
    upstream.add('org/app', 'all', buildIndex([image, buildImage({ seed: 'arm' })]));
    const pull = await pullImage(upstream.origins.registry, 'org/app', 'all');
    expect(pull.problems).toEqual([]);
    expect(pull.manifests.size).toBe(3);
    expect(pull.blobs.size).toBe(6);
  });

  test('HEAD says what GET says', async () => {
    const [head, get] = [await rawGet(manifestUrl, { method: 'HEAD' }), await rawGet(manifestUrl)];
    const { date: _d1, ...headHeaders } = head.headers;
    const { date: _d2, ...getHeaders } = get.headers;
    expect(headHeaders).toEqual(getHeaders);
    expect(headHeaders['docker-content-digest']).toBe(image.manifest.digest);
    expect(head.bytes.byteLength).toBe(0);
  });

  test('a manifest of a type that the client does not accept is not there', async () => {
    const headers = { Accept: 'application/vnd.docker.distribution.manifest.v2+json' };
    expect((await rawGet(manifestUrl, { headers })).status).toBe(404);
    expect((await rawGet(manifestUrl, { headers: { Accept: '*/*' } })).status).toBe(200);
  });

  test.each([
    ['bytes=0-9', 206, 10],
    ['bytes=-7', 206, 7],
    ['bytes=100-', 206, layerBytes.byteLength - 100],
    ['bytes=0-999999999', 206, layerBytes.byteLength],
    ['bytes=0-1,5-6', 200, layerBytes.byteLength],
    ['bytes=9-1', 200, layerBytes.byteLength],
  ])('Range: %s is answered with %d', async (range, status, length) => {
    const answer = await rawGet(blobUrl, { headers: { Range: range } });
    expect([answer.status, answer.bytes.byteLength, answer.cut]).toEqual([status, length, false]);
    const first = Number(/^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '')?.[1] ?? 0);
    expect(answer.bytes.equals(layerBytes.subarray(first, first + length))).toBe(true);
  });

  test('a range beyond the end is 416, and If-Range of another content is the whole', async () => {
    const beyond = await rawGet(blobUrl, { headers: { Range: 'bytes=999999999-' } });
    expect([beyond.status, beyond.headers['content-range']]).toEqual([416, `bytes */${layerBytes.byteLength}`]);
    const other = await rawGet(blobUrl, { headers: { Range: 'bytes=5-', 'If-Range': '"other"' } });
    expect(other.status).toBe(200);
  });

  test('tags come in pages', async () => {
    for (const tag of ['v2', 'v3']) upstream.add('org/app', tag, image);
    const page = await rawGet(`${upstream.origins.registry}/v2/org/app/tags/list?n=2`);
    expect(JSON.parse(String(page.bytes))).toEqual({ name: 'org/app', tags: ['v1', 'v2'] });
    expect(page.headers['link']).toBe('</v2/org/app/tags/list?n=2&last=v2>; rel="next"');
    const last = await rawGet(`${upstream.origins.registry}/v2/org/app/tags/list?n=2&last=v2`);
    expect([JSON.parse(String(last.bytes)).tags, last.headers['link']]).toEqual([['v3'], undefined]);
  });

  test('referrers list what names the manifest as its subject', async () => {
    const signature = buildImage({ seed: 'signature', subject: image.manifest });
    upstream.add('org/app', undefined, signature);
    const answer = await rawGet(`${upstream.origins.registry}/v2/org/app/referrers/${image.manifest.digest}`);
    const digests = JSON.parse(String(answer.bytes)).manifests.map((entry: { digest: string }) => entry.digest);
    expect(digests).toEqual([signature.manifest.digest]);
  });

  test('a tag moves and goes; what it pointed to stays by digest', async () => {
    const next = buildImage({ seed: 'next' });
    upstream.move('org/app', 'v1', next);
    expect((await rawGet(manifestUrl)).headers['docker-content-digest']).toBe(next.manifest.digest);
    upstream.remove('org/app', 'v1');
    expect((await rawGet(manifestUrl)).status).toBe(404);
    expect((await pullImage(upstream.origins.registry, 'org/app', image.manifest.digest)).problems).toEqual([]);
    upstream.remove('org/app');
    expect(JSON.parse(String((await rawGet(manifestUrl)).bytes)).errors[0].code).toBe('NAME_UNKNOWN');
  });

  test('requests are kept and counted', async () => {
    await rawGet(manifestUrl, { method: 'HEAD', headers: { 'X-Probe': '1' } });
    await rawGet(blobUrl);
    expect(upstream.count({ method: 'HEAD', kind: 'manifest', repository: 'org/app', reference: 'v1' })).toBe(1);
    expect(upstream.count({ path: /blobs/ })).toBe(1);
    expect(upstream.count()).toBe(2);
    expect(upstream.requests[0]).toMatchObject({ origin: upstream.origins.registry, headers: { 'x-probe': '1' } });
    upstream.reset();
    expect(upstream.count()).toBe(0);
  });
});

describe('authentication', () => {
  const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const tokenUrl = (scope: string) => `${upstream.origins.token}/token?service=fault-upstream&scope=${scope}`;
  const tokenOf = (answer: { bytes: Buffer }): string => JSON.parse(String(answer.bytes)).token;

  test('basic', async () => {
    upstream.setAuth({ kind: 'basic', username: 'me', password: 'secret' });
    expect((await rawGet(manifestUrl)).headers['www-authenticate']).toBe('Basic realm="fault-upstream"');
    expect((await rawGet(manifestUrl, { headers: { Authorization: basic('me', 'wrong') } })).status).toBe(401);
    expect((await rawGet(manifestUrl, { headers: { Authorization: basic('me', 'secret') } })).status).toBe(200);
  });

  test('bearer: a challenge, a token of the token server, the answer', async () => {
    upstream.setAuth({ kind: 'bearer' });
    const refused = await rawGet(manifestUrl);
    expect(refused.headers['www-authenticate']).toBe(
      `Bearer realm="${upstream.origins.token}/token",service="fault-upstream",scope="repository:org/app:pull"`,
    );
    const Authorization = `Bearer ${tokenOf(await rawGet(tokenUrl('repository:org/app:pull')))}`;
    expect((await rawGet(manifestUrl, { headers: { Authorization } })).status).toBe(200);
    upstream.revokeTokens();
    expect((await rawGet(manifestUrl, { headers: { Authorization } })).headers['www-authenticate']).toContain(
      'invalid',
    );
    expect(upstream.count({ kind: 'token', server: 'token' })).toBe(1);
  });

  test('a token is for its repositories, and for its time', async () => {
    await upstream.close();
    const clock = movableClock();
    upstream = await startFaultUpstream({ clock, auth: { kind: 'bearer', tokenLifetimeS: 60 } });
    upstream.add('org/app', 'v1', image);
    const url = `${upstream.origins.registry}/v2/org/app/manifests/v1`;
    const other = `Bearer ${tokenOf(await rawGet(tokenUrl('repository:org/other:pull')))}`;
    const refused = await rawGet(url, { headers: { Authorization: other } });
    expect(refused.headers['www-authenticate']).toContain('error="insufficient_scope"');
    const Authorization = `Bearer ${tokenOf(await rawGet(tokenUrl('repository:org/app:pull,push')))}`;
    clock.advance({ seconds: 59 });
    expect((await rawGet(url, { headers: { Authorization } })).status).toBe(200);
    clock.advance({ seconds: 1 });
    expect((await rawGet(url, { headers: { Authorization } })).status).toBe(401);
  });

  test('credentials: by header, by form, wrong, and none', async () => {
    upstream.setAuth({ kind: 'bearer', username: 'me', password: 'secret' });
    const url = tokenUrl('repository:org/app:pull');
    expect((await rawGet(url)).status).toBe(401);
    expect((await rawGet(url, { headers: { Authorization: basic('me', 'wrong') } })).status).toBe(401);
    expect((await rawGet(url, { headers: { Authorization: basic('me', 'secret') } })).status).toBe(200);
    const form = {
      method: 'POST',
      body: 'grant_type=password&username=me&password=secret&scope=repository:org/app:pull',
    };
    expect((await rawGet(`${upstream.origins.token}/token`, form)).status).toBe(200);
  });

  test('private and missing repositories look the same to the anonymous', async () => {
    const auth = { kind: 'bearer', username: 'me', password: 'p', anonymous: true, hideMissing: true } as const;
    upstream.setAuth({ ...auth, privateRepositories: ['org/app'], tokenServer: 'same' });
    const ask = async (repository: string, headers: Record<string, string>) => {
      const token = await rawGet(`${upstream.origins.registry}/token?scope=repository:${repository}:pull`, { headers });
      const Authorization = `Bearer ${tokenOf(token)}`;
      return (
        await rawGet(`${upstream.origins.registry}/v2/${repository}/manifests/v1`, { headers: { Authorization } })
      ).status;
    };
    expect(await ask('org/app', {})).toBe(401);
    expect(await ask('org/none', {})).toBe(401);
    expect(await ask('org/app', { Authorization: basic('me', 'p') })).toBe(200);
    expect(await ask('org/none', { Authorization: basic('me', 'p') })).toBe(404);
    expect(upstream.count({ server: 'token' })).toBe(0);
  });
});

describe('faults on the wire', () => {
  test('a status, for the requests it is meant for, as often as was said', async () => {
    const fault = upstream.fault(
      { kind: 'status', status: 429, headers: { 'Retry-After': '7' }, body: 'slow', reasonPhrase: 'Slow Down' },
      { match: { kind: 'manifest' }, times: 2 },
    );
    expect((await rawGet(blobUrl)).status).toBe(200);
    const first = await rawGet(manifestUrl);
    expect([first.status, first.reasonPhrase, first.headers['retry-after'], String(first.bytes)]).toEqual([
      429,
      'Slow Down',
      '7',
      'slow',
    ]);
    expect((await rawGet(manifestUrl)).status).toBe(429);
    expect((await rawGet(manifestUrl)).status).toBe(200);
    expect(fault.hits).toBe(2);
  });

  test('a fault can be cleared, by itself and with all others', async () => {
    const fault = upstream.fault({ kind: 'status', status: 500 });
    upstream.fault({ kind: 'status', status: 503 }, { match: { method: 'HEAD' } });
    fault.clear();
    expect((await rawGet(manifestUrl)).status).toBe(200);
    expect((await rawGet(manifestUrl, { method: 'HEAD' })).status).toBe(503);
    upstream.clearFaults();
    expect((await rawGet(manifestUrl, { method: 'HEAD' })).status).toBe(200);
  });

  test('a fault of content waits for a good answer', async () => {
    upstream.setAuth({ kind: 'basic', username: 'a', password: 'b' });
    const fault = upstream.fault({ kind: 'bit-flip' }, { times: 1 });
    expect((await rawGet(blobUrl)).status).toBe(401);
    expect(fault.hits).toBe(0);
  });

  test('silence in place of an answer', async () => {
    upstream.fault({ kind: 'no-answer', by: 'stall' });
    expect(await codeOf(rawGet(manifestUrl, { timeoutMs: 200 }))).toBe('RAW_TIMEOUT');
    expect(upstream.count()).toBe(1);
  });

  test.each(['no-answer', 'cut-headers'] as const)('%s by a reset and by an end', async (kind) => {
    upstream.fault({ kind, by: 'reset' }, { times: 1 });
    upstream.fault({ kind, by: 'fin' }, { times: 1 });
    expect(await codeOf(rawGet(manifestUrl))).toBe('ECONNRESET');
    expect(await codeOf(rawGet(manifestUrl))).toMatch(/ECONNRESET|HPE_INVALID/);
  });

  test('a connection is reset, ignored, or answered by another protocol', async () => {
    upstream.fault({ kind: 'connection', by: 'reset' }, { times: 1 });
    upstream.fault({ kind: 'connection', by: 'stall' }, { times: 1 });
    upstream.fault({ kind: 'connection', by: 'garbage' }, { times: 1 });
    expect(await codeOf(rawGet(manifestUrl))).toBe('ECONNRESET');
    expect(await codeOf(rawGet(manifestUrl, { timeoutMs: 200 }))).toBe('RAW_TIMEOUT');
    expect(await codeOf(rawGet(manifestUrl))).toMatch(/^HPE_/);
    expect(upstream.count()).toBe(0);
    expect(upstream.acceptedConnections).toBe(3);
    expect((await rawGet(manifestUrl)).status).toBe(200);
  });

  test('it ends although clients take nothing of what is on its way to them', async () => {
    // More than all buffers between the two ends hold.
    const large = buildImage({ seed: 'large', layers: [32 * 1024 * 1024] });
    upstream.add('org/large', 'v1', large);
    const client = connect(upstream.port, '127.0.0.1');
    client.on('error', () => undefined);
    client.pause().write(`GET /v2/org/large/blobs/${large.layers[0]?.digest} HTTP/1.1\r\nHost: x\r\n\r\n`);
    while (upstream.count() === 0) await sleep(10);
    await sleep(100);
    await upstream.close();
    expect(upstream.openSockets).toBe(0);
    client.destroy();
  });

  test.each([
    ['reset', 'length'],
    ['fin', 'length'],
    ['stall', 'length'],
    ['reset', 'close'],
  ] as const)('a body cut by %s, with its end told by %s', async (by, framing) => {
    upstream.fault({ kind: 'cut-body', afterBytes: 70_000, by, framing });
    const answer = await rawGet(blobUrl, { timeoutMs: 500 });
    expect([answer.status, answer.bytes.byteLength, answer.cut]).toEqual([200, 70_000, true]);
    expect(answer.headers['content-length']).toBe(framing === 'length' ? String(layerBytes.byteLength) : undefined);
  });

  test('a body whose end nobody announced looks whole when it is cut short', async () => {
    upstream.fault({ kind: 'cut-body', afterBytes: 70_000, by: 'fin', framing: 'close' });
    const answer = await rawGet(blobUrl);
    expect([answer.bytes.byteLength, answer.cut, answer.headers['transfer-encoding']]).toEqual([
      70_000,
      false,
      undefined,
    ]);
  });

  test('headers, and then nothing', async () => {
    upstream.fault({ kind: 'cut-body', afterBytes: 0, by: 'stall' });
    const answer = await rawGet(blobUrl, { timeoutMs: 200 });
    expect([answer.status, answer.bytes.byteLength, answer.cut]).toEqual([200, 0, true]);
  });

  test('one wrong bit', async () => {
    upstream.fault({ kind: 'bit-flip', at: 3 });
    const { bytes, cut } = await rawGet(blobUrl);
    const wrong = [...bytes.keys()].filter((index) => bytes[index] !== layerBytes[index]);
    expect([wrong, bytes.byteLength, cut]).toEqual([[3], layerBytes.byteLength, false]);
  });

  test('slow bytes and a slow first byte', async () => {
    upstream.fault({ kind: 'drip', bytesPerSecond: 1_000_000 });
    const slow = await rawGet(blobUrl);
    expect(slow.endedAfterMs - slow.headersAfterMs).toBeGreaterThan(150);
    expect(slow.bytes.equals(layerBytes)).toBe(true);
    upstream.clearFaults();
    upstream.fault({ kind: 'delay', ms: 200 });
    expect((await rawGet(manifestUrl)).headersAfterMs).toBeGreaterThan(190);
  });

  test('wrong headers', async () => {
    upstream.fault({ kind: 'content-type', value: 'text/plain' });
    upstream.fault({ kind: 'no-digest' });
    upstream.fault({ kind: 'content-encoding' });
    upstream.fault({ kind: 'headers', headers: { etag: undefined, 'Set-Cookie': ['a=1', 'b=2'] } });
    const { headers, bytes } = await rawGet(manifestUrl);
    expect(headers).toMatchObject({
      'content-type': 'text/plain',
      'content-encoding': 'gzip',
      'set-cookie': ['a=1', 'b=2'],
    });
    expect([headers['docker-content-digest'], headers.etag]).toEqual([undefined, undefined]);
    expect(bytes.equals(image.manifest.bytes)).toBe(true);
  });

  test('HEAD refused, GET not', async () => {
    upstream.fault({ kind: 'head-refused' });
    expect((await rawGet(manifestUrl, { method: 'HEAD' })).status).toBe(405);
    expect((await rawGet(manifestUrl)).status).toBe(200);
  });

  test('a captive portal', async () => {
    upstream.fault({ kind: 'captive-portal' });
    const answer = await rawGet(manifestUrl);
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/html']);
    expect(String(answer.bytes)).toContain('<!doctype html>');
  });

  test('another body, a large one, an endless one', async () => {
    upstream.fault({ kind: 'body', body: 'not json' }, { times: 1 });
    upstream.fault({ kind: 'oversized', bytes: 5_000_000 }, { times: 1, match: { method: 'GET', kind: 'blob' } });
    expect(String((await rawGet(manifestUrl)).bytes)).toBe('not json');
    expect((await rawGet(blobUrl)).bytes.byteLength).toBe(5_000_000);
    upstream.fault({ kind: 'endless' });
    const endless = await rawGet(manifestUrl, { timeoutMs: 300 });
    expect(endless.cut).toBe(true);
    expect(endless.bytes.byteLength).toBeGreaterThan(1_000_000);
  });

  test('a Range that is ignored', async () => {
    upstream.fault({ kind: 'ignore-range' }, { times: 1 });
    expect((await rawGet(blobUrl, { headers: { Range: 'bytes=5-' } })).status).toBe(200);
    expect((await rawGet(blobUrl, { headers: { Range: 'bytes=5-' } })).status).toBe(206);
  });

  test('many headers', async () => {
    upstream.fault({ kind: 'header-bomb', count: 1000, bytes: 65_536 });
    const names = Object.keys((await rawGet(manifestUrl)).headers).filter((name) => name.startsWith('x-bomb'));
    expect(names).toHaveLength(1000);
  });

  test('bytes that are no HTTP', async () => {
    upstream.fault({ kind: 'raw', bytes: 'HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nhi' });
    const answer = await rawGet(manifestUrl);
    expect([answer.status, answer.reasonPhrase, String(answer.bytes)]).toEqual([999, 'Odd', 'hi']);
  });

  test('redirects: with a location, without, numbered, in hops, for ever', async () => {
    upstream.fault({ kind: 'redirect', location: 'http://169.254.169.254/', status: 302 }, { times: 1 });
    upstream.fault({ kind: 'redirect', location: undefined }, { times: 1 });
    upstream.fault({ kind: 'redirect', location: (n) => `/elsewhere/${n}` }, { times: 1 });
    const seen = [await rawGet(blobUrl), await rawGet(blobUrl), await rawGet(blobUrl)];
    expect(seen.map(({ status, headers }) => [status, headers.location])).toEqual([
      [302, 'http://169.254.169.254/'],
      [307, undefined],
      [307, '/elsewhere/1'],
    ]);
    upstream.fault({ kind: 'redirect-hops', hops: 2 });
    let url = blobUrl;
    const statuses: number[] = [];
    for (let hop = 0; hop < 3; hop += 1) {
      const answer = await rawGet(url);
      statuses.push(answer.status);
      url = new URL(answer.headers.location ?? '', url).href;
    }
    expect(statuses).toEqual([307, 307, 200]);
  });

  test('the CDN serves blobs without a challenge, under a new signature each time', async () => {
    upstream.setAuth({ kind: 'basic', username: 'a', password: 'b' });
    upstream.redirectBlobsTo();
    const headers = { Authorization: `Basic ${Buffer.from('a:b').toString('base64')}` };
    const first = await rawGet(blobUrl, { headers });
    const second = await rawGet(blobUrl, { headers });
    expect(first.headers.location).toBe(`${upstream.origins.cdn}/cdn/org/app/blobs/${layer}?signature=1`);
    expect(second.headers.location).toContain('signature=2');
    expect((await rawGet(first.headers.location ?? '')).bytes.equals(layerBytes)).toBe(true);
    upstream.fault({ kind: 'status', status: 403 }, { match: { server: 'cdn' }, times: 1 });
    expect((await rawGet(second.headers.location ?? '')).status).toBe(403);
    expect(upstream.count({ server: 'cdn', kind: 'blob' })).toBe(2);
  });
});

describe('death and return', () => {
  test('it refuses while it is dead, and is back on the same port with the same content', async () => {
    const hanging = upstream.fault({ kind: 'no-answer', by: 'stall' }, { times: 1 });
    const inFlight = codeOf(rawGet(manifestUrl));
    while (hanging.hits === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await upstream.kill();
    expect(await inFlight).toBe('ECONNRESET');
    expect(await codeOf(rawGet(manifestUrl))).toBe('ECONNREFUSED');
    expect(upstream.openSockets).toBe(0);
    await upstream.revive();
    expect((await pullImage(upstream.origins.registry, 'org/app', 'v1')).problems).toEqual([]);
  });

  test('one server can die alone', async () => {
    await upstream.kill('cdn');
    expect((await rawGet(manifestUrl)).status).toBe(200);
    expect(await codeOf(rawGet(upstream.origins.cdn))).toBe('ECONNREFUSED');
  });

  test('a slow answer and a delayed one are forgotten with their connection', async () => {
    const runningTimers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = runningTimers();
    upstream.fault({ kind: 'drip', bytesPerSecond: 1 }, { match: { kind: 'blob' } });
    upstream.fault({ kind: 'delay', ms: 60_000 }, { match: { kind: 'manifest' } });
    await Promise.all([rawGet(blobUrl, { timeoutMs: 100 }), codeOf(rawGet(manifestUrl, { timeoutMs: 100 }))]);
    await upstream.close();
    expect(runningTimers()).toBeLessThanOrEqual(before);
  });
});
