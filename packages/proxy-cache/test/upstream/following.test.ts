import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buildImage, type FaultUpstream, startFaultUpstream, tagOf } from '@breakwater/test-kit';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { sendFollowing } from '../../src/upstream/redirects.js';
import type { Transport, UpstreamRequest } from '../../src/upstream/transport.js';
import type { UpstreamClient } from '../../src/upstream/upstream-client.js';
import { closeQuietly, failureOf, nameOf, settingsFor, shown, soon, testClient } from '../support/upstream-client.js';

const image = buildImage({ seed: 'following', layers: [50_000] });
const layer = image.layers[0]?.digest ?? image.manifest.digest;
const app = nameOf('app');
const v1 = { kind: 'tag', tag: tagOf('v1') } as const;
const credentials = { username: 'robot', password: 'hunter2' };

let upstream: FaultUpstream;
let client: UpstreamClient;

beforeEach(async () => {
  upstream = await startFaultUpstream({ auth: { kind: 'basic', ...credentials } });
  upstream.add('app', 'v1', image);
  client = testClient();
});

afterEach(async () => {
  client.close();
  await closeQuietly(upstream);
});

const registry = () => client.registry(settingsFor(upstream.host, { credentials }));
const getManifest = () => registry().getManifest(app, v1, soon());

async function getBlob(): Promise<Buffer> {
  const { body } = await registry().getBlob(app, layer, soon());
  return Buffer.concat(await body.toArray());
}

describe('redirects that are followed', () => {
  test.each([301, 302, 303, 307, 308])('%d, to a relative place', async (status) => {
    upstream.fault({ kind: 'redirect', location: '/v2/app/manifests/v1?again', status }, { times: 1 });
    expect((await getManifest()).bytes.equals(image.manifest.bytes)).toBe(true);
    expect(upstream.requests.at(-1)?.headers.authorization).toBeDefined();
  });

  test('five, but not six', async () => {
    upstream.fault({ kind: 'redirect-hops', hops: 5 });
    expect((await getManifest()).bytes.equals(image.manifest.bytes)).toBe(true);
    upstream.clearFaults();
    upstream.fault({ kind: 'redirect-hops', hops: 6 });
    upstream.reset();
    expect(await failureOf(getManifest())).toMatchObject({ failureClass: 'protocol' });
    expect(upstream.count({ kind: 'manifest' })).toBe(6);
  });

  test('S8, S9: to another origin, with neither credentials nor anything else of ours', async () => {
    upstream.redirectBlobsTo();
    expect((await getBlob()).equals(image.blobs.get(layer) ?? Buffer.alloc(0))).toBe(true);
    const [hop] = upstream.requests.filter(({ server }) => server === 'cdn');
    const { host: _, connection: _c, accept: _a, ...rest } = hop?.headers ?? {};
    expect(rest).toEqual({
      'accept-encoding': 'identity',
      'user-agent': 'breakwater',
      via: expect.stringMatching(/^1\.1 breakwater-[0-9a-f]{16}$/),
    });
  });

  test('S8: another port is another origin, and the way back does not bring the credentials back', async () => {
    const back = await startFaultUpstream();
    back.fault({ kind: 'redirect', location: `${upstream.origins.registry}/v2/app/manifests/v1?back` });
    back.add('app', 'v1', image);
    await registry().headManifest(app, v1, soon());
    upstream.reset();
    upstream.fault({ kind: 'redirect', location: `//${back.host}/v2/app/manifests/v1`, status: 302 }, { times: 1 });
    await getManifest();
    expect(shown(back)).toEqual(['registry -']);
    // The last one is the answer to the challenge of the upstream itself.
    expect(shown(upstream)).toEqual(['registry Basic', 'registry -', 'registry Basic']);
    await back.close();
  });

  test('a challenge of another origin is not answered', async () => {
    const other = await startFaultUpstream({ auth: { kind: 'basic', ...credentials } });
    upstream.fault({ kind: 'redirect', location: `${other.origins.registry}/v2/app/manifests/v1` });
    expect((await failureOf(getManifest()))['failureClass']).toBeDefined();
    expect(shown(other).every((text) => text === 'registry -')).toBe(true);
    await other.close();
  });
});

describe('redirects that are not', () => {
  test.each([
    ['nowhere', undefined, 'protocol'],
    ['unparseable', 'http://[', 'protocol'],
    ['data:', 'data:text/plain,hello', 'blocked'],
    ['file:', 'file:///etc/passwd', 'blocked'],
    ['ftp:', 'ftp://127.0.0.1/', 'blocked'],
    ['javascript:', 'javascript:alert(1)', 'blocked'],
    ['with credentials', 'http://user:secret@127.0.0.1/', 'blocked'],
    ['metadata', 'http://169.254.169.254/latest/meta-data/', 'blocked'],
    ['private', 'http://10.0.0.1:5000/v2/', 'blocked'],
    ['private by another spelling', 'http://0xa9fea9fe/', 'blocked'],
    ['IPv6', 'http://[::1]:5000/', 'blocked'],
  ])('%s', async (_what, location, failureClass) => {
    upstream.fault({ kind: 'redirect', location });
    expect(await failureOf(getManifest())).toMatchObject({ failureClass });
  });

  test('a loop', async () => {
    upstream.fault({ kind: 'redirect-hops', hops: Number.POSITIVE_INFINITY });
    expect(await failureOf(getBlob())).toMatchObject({ failureClass: 'protocol' });
  });

  test('S4: to an address inside, which sees no connection', async () => {
    const canary = await startFaultUpstream();
    const strict = testClient({ allowedHosts: [upstream.host] });
    upstream.fault({ kind: 'redirect', location: `${canary.origins.registry}/v2/app/manifests/v1` });
    const getting = strict.registry(settingsFor(upstream.host, { credentials })).getManifest(app, v1, soon());
    expect(await failureOf(getting)).toMatchObject({ failureClass: 'blocked' });
    expect(canary.acceptedConnections).toBe(0);
    strict.close();
    await canary.close();
  });

  test.each([300, 304, 305, 306])('%d is no redirect that we follow', async (status) => {
    upstream.fault({ kind: 'redirect', location: '/v2/app/manifests/v1?again', status });
    expect(await failureOf(getManifest())).toMatchObject({ failureClass: 'protocol', upstreamStatus: status });
  });
});

describe('S8: where Authorization goes, origin by origin', () => {
  const from = 'https://registry.example';
  const cases = [
    ['https://registry.example/elsewhere', true],
    ['https://registry.example:443/elsewhere', true],
    ['/relative', true],
    ['//registry.example/elsewhere', true],
    ['https://REGISTRY.example/elsewhere', true],
    ['https://registry.example:8443/', false],
    ['https://cdn.registry.example/', false],
    ['https://example/', false],
    ['https://registry.example.evil.tld/', false],
    ['https://registry.examples/', false],
    ['https://registry.example./', false],
    ['https://evil.tld/registry.example', false],
    ['//evil.tld/', false],
    ['\\\\evil.tld\\', false],
    ['https:evil.tld', true],
  ] as const;

  async function follow(first: string, location: string): Promise<UpstreamRequest[]> {
    const sent: UpstreamRequest[] = [];
    const transport: Transport = {
      async send(request) {
        sent.push(request);
        return {
          status: sent.length === 1 ? 302 : 200,
          body: Readable.from([]),
          header: (name) => (name === 'location' ? location : undefined),
        };
      },
    };
    const headers = { accept: '*/*', authorization: 'Basic c2VjcmV0', range: 'bytes=0-', 'x-other': '1' };
    await sendFollowing(transport, { url: new URL(first), method: 'GET', headers, signal: soon() });
    return sent;
  }

  test.each(cases)('redirected to %s: %s', async (location, keeps) => {
    const [, second] = await follow(`${from}/v2/`, location);
    expect(second?.headers['authorization'] !== undefined).toBe(keeps);
    expect(Object.keys(second?.headers ?? {}).sort()).toEqual(
      keeps ? ['accept', 'authorization', 'range', 'x-other'] : ['accept', 'range'],
    );
  });

  test('http to https of the same host is another origin', async () => {
    const [, second] = await follow('http://registry.example/v2/', 'https://registry.example/v2/');
    expect(second?.headers['authorization']).toBeUndefined();
  });

  test('https to http is refused', async () => {
    const error = await failureOf(follow(`${from}/v2/`, 'http://registry.example/v2/'));
    expect(error).toMatchObject({ failureClass: 'blocked' });
  });
});

describe('a link to the next page of tags is read, never followed', () => {
  test('to another host', async () => {
    const evil = await startFaultUpstream();
    upstream.fault(
      { kind: 'headers', headers: { Link: `<${evil.origins.registry}/v2/app/tags/list?n=1&last=v1>; rel="next"` } },
      { match: { kind: 'tags' } },
    );
    expect(await registry().listTags(app, { limit: 1, last: undefined }, soon())).toEqual({ tags: ['v1'], next: 'v1' });
    expect(evil.acceptedConnections).toBe(0);
    await evil.close();
  });
});

test('an outbound proxy in the environment is not used', async () => {
  let asked = 0;
  const proxy = createServer((_request, response) => {
    asked += 1;
    response.end();
  });
  await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening));
  const names = ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY', 'ALL_PROXY', 'all_proxy'];
  const before = names.map((name) => [name, process.env[name]] as const);
  for (const name of names) process.env[name] = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  delete process.env['no_proxy'];
  try {
    const fresh = testClient();
    await fresh.registry(settingsFor(upstream.host, { credentials })).getManifest(app, v1, soon());
    fresh.close();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    await new Promise((closed) => proxy.close(closed));
  }
  expect(asked).toBe(0);
});
