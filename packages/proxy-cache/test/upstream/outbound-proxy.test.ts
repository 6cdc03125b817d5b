import { setTimeout as sleep } from 'node:timers/promises';
import {
  buildImage,
  type ConnectProxy,
  type FaultUpstream,
  selfSignedCertificate,
  startBlackHole,
  startConnectProxy,
  startFaultUpstream,
  tagOf,
} from '@breakwater/test-kit';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { OutboundProxy } from '../../src/upstream/outbound-proxy.js';
import type { UpstreamClient } from '../../src/upstream/upstream-client.js';
import {
  closeQuietly,
  everythingIn,
  failureOf,
  nameOf,
  settingsFor,
  soon,
  type TestClientOptions,
  testClient,
} from '../support/upstream-client.js';

const image = buildImage({ seed: 'proxy', layers: [50_000] });
const layer = image.layers[0]?.digest ?? image.manifest.digest;
const app = nameOf('app');
const v1 = { kind: 'tag', tag: tagOf('v1') } as const;
const credentials = { username: 'robot', password: 'p@ss:word-canary' };
const shownToProxy = Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64');

let upstream: FaultUpstream;
let proxy: ConnectProxy;
let client: UpstreamClient;
const lookups: string[] = [];

beforeEach(async () => {
  lookups.length = 0;
  upstream = await startFaultUpstream();
  upstream.add('app', 'v1', image);
  proxy = await startConnectProxy({ credentials });
  client = through(withCredentials(proxy));
});
afterEach(async () => {
  client.close();
  await proxy.close();
  await closeQuietly(upstream);
});

function withCredentials({ port }: { readonly port: number }): string {
  return `http://robot:${encodeURIComponent(credentials.password)}@127.0.0.1:${port}`;
}

/** A client that can resolve nothing by itself. */
function through(upstreamProxyUrl: string, options: TestClientOptions = {}): UpstreamClient {
  const lookup = async (name: string) => {
    lookups.push(name);
    throw new Error('ENOTFOUND');
  };
  return testClient({ lookup, ...options, upstreamProxyUrl });
}

const get = (host: string, insecure = true) =>
  client.registry(settingsFor(host, { insecure })).getManifest(app, v1, soon());

describe('an outbound proxy', () => {
  test('opens the connections to http upstreams, and resolves their names', async () => {
    const host = `registry.example:${upstream.port}`;
    expect((await get(host)).bytes.equals(image.manifest.bytes)).toBe(true);
    await get(host);
    expect(proxy.targets).toEqual([host]);
    expect([proxy.otherRequests, lookups, proxy.refused]).toEqual([[], [], 0]);
    expect(upstream.requests.map(({ headers }) => headers['proxy-authorization'])).toEqual([undefined, undefined]);
  });

  test('and to https upstreams, whose certificates are judged here', async () => {
    const own = selfSignedCertificate({ names: ['registry.example'] });
    const secure = await startFaultUpstream({ tls: own, hostName: 'registry.example' });
    secure.add('app', 'v1', image);
    const settings = settingsFor(secure.host, { insecure: false, upstreamCaPem: own.cert });
    expect((await client.registry(settings).getManifest(app, v1, soon())).claimedDigest).toBe(image.manifest.digest);
    expect(await failureOf(get(secure.host, false))).toMatchObject({ failureClass: 'tls' });
    const other = { ...settings, upstream: `other.example:${secure.port}` };
    expect(await failureOf(client.registry(other).getManifest(app, v1, soon()))).toMatchObject({ failureClass: 'tls' });
    expect(secure.count()).toBe(1);
    client.close();
    await closeQuietly(secure);
  });

  test('and to wherever the upstream redirects and has its tokens', async () => {
    upstream.setAuth({ kind: 'bearer' });
    upstream.redirectBlobsTo();
    const { body } = await client.registry(settingsFor(upstream.host)).getBlob(app, layer, soon());
    expect((await body.toArray()).length).toBeGreaterThan(0);
    expect(new Set(proxy.targets)).toEqual(
      new Set(Object.values(upstream.origins).map((origin) => new URL(origin).host)),
    );
    expect(upstream.acceptedConnections).toBe(proxy.targets.length);
  });

  test('S3: is not asked for addresses that may not be dialled', async () => {
    client.close();
    client = through(withCredentials(proxy), { allowedHosts: ['registry.example'] });
    for (const host of ['127.0.0.1', '0x7f.1', '2130706433', '[::1]', '[::ffff:10.0.0.1]', '169.254.169.254']) {
      const settings = settingsFor(`${host}:${upstream.port}`);
      expect(await client.isAllowed(settings)).toBe(false);
      expect(await failureOf(client.registry(settings).getManifest(app, v1, soon()))).toMatchObject({
        failureClass: 'blocked',
      });
    }
    expect(proxy.targets).toEqual([]);
    expect(await client.isAllowed(settingsFor('registry.example'))).toBe(true);
    expect(lookups).toEqual([]);
  });

  test.each([
    ['an answer other than 2xx', { status: 503 }, /answered 503$/],
    ['a redirect', { status: 302 }, /answered 302$/],
    ['no HTTP', { bytes: 'SSH-2.0-OpenSSH_9.2\r\n\r\n' }, /did not speak HTTP$/],
    ['half an answer', { bytes: 'HTTP/1.1 200 OK\r\n' }, /closed the connection$/],
    ['too long an answer', { bytes: `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(60_000)}` }, /says too much$/],
    ['a broken connection', 'reset', /broke$/],
  ] as const)('that fails is a failure to connect: %s', async (_what, how, said) => {
    proxy.misbehave(how);
    const error = await failureOf(get(upstream.host));
    expect(error).toMatchObject({ failureClass: 'connect', origin: `http://${upstream.host}` });
    expect(error.message).toMatch(said);
    expect([proxy.targets.length, upstream.acceptedConnections]).toEqual([3, 0]);
    proxy.misbehave(undefined);
    await get(upstream.host);
  });

  test('that says nothing is given up after the connect deadline', async () => {
    client.close();
    client = through(withCredentials(proxy), { deadlines: { connectMs: 100 } });
    proxy.misbehave('stall');
    expect(await failureOf(get(upstream.host))).toMatchObject({ failureClass: 'timeout' });
    expect(proxy.targets).toHaveLength(1);
  });

  test('that cannot be reached, or has no address, is a failure to connect', async () => {
    await using hole = await startBlackHole();
    for (const url of ['http://proxy.invalid:3128', `http://${hole.host}`]) {
      client.close();
      client = through(url, { deadlines: { connectMs: 100 } });
      expect(await failureOf(get(upstream.host))).toMatchObject({ failureClass: 'connect' });
    }
    await proxy.close();
    client.close();
    client = through(withCredentials(proxy));
    expect(await failureOf(get(upstream.host))).toMatchObject({ failureClass: 'connect' });
    expect(upstream.acceptedConnections).toBe(0);
  });

  test('that reaches nobody is a failure to connect', async () => {
    await upstream.kill();
    expect(await failureOf(get(upstream.host))).toMatchObject({ failureClass: 'connect' });
  });

  test('close ends what it had opened', async () => {
    await get(upstream.host);
    expect(proxy.openTunnels).toBe(1);
    client.close();
    for (let waited = 0; proxy.openTunnels > 0 && waited < 2_000; waited += 10) await sleep(10);
    expect(proxy.openTunnels).toBe(0);
  });

  test('S12: its credentials are in no error, whatever fails', async () => {
    const failures: unknown[] = [];
    for (const how of ['reset', { status: 407 }, { bytes: 'garbage\r\n\r\n' }] as const) {
      proxy.misbehave(how);
      failures.push(await failureOf(get(upstream.host)));
    }
    client.close();
    client = through(`http://robot:canary-canary@127.0.0.1:${proxy.port}`);
    failures.push(await failureOf(get(upstream.host)));
    expect(proxy.refused).toBe(3);
    for (const error of failures) {
      expect(error).toMatchObject({ failureClass: 'connect' });
      for (const secret of ['canary', shownToProxy, 'roxy-Authorization']) {
        expect(everythingIn(error)).not.toContain(secret);
      }
    }
    expect(everythingIn(new OutboundProxy(withCredentials(proxy)))).not.toContain('canary');
  });

  test.each(['', 'proxy:3128', 'https://u:canary@proxy', 'socks5://u:canary@proxy', 'http://u:canary@proxy/path'])(
    '%j is none, and the message does not repeat it',
    (url) => {
      const made = () => through(url);
      expect(made).toThrow(RangeError);
      expect(made).not.toThrow(/canary/);
    },
  );
});
