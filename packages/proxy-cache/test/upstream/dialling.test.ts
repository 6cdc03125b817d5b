import { setTimeout as sleep } from 'node:timers/promises';
import {
  buildImage,
  type FaultUpstream,
  type FaultUpstreamOptions,
  selfSignedCertificate,
  startBlackHole,
  startFaultUpstream,
  tagOf,
} from '@breakwater/test-kit';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { ResolvedAddress } from '../../src/ports.js';
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

const image = buildImage({ seed: 'dialling' });
const app = nameOf('app');
const v1 = { kind: 'tag', tag: tagOf('v1') } as const;

const closing: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function upstreamWith(options: FaultUpstreamOptions = {}): Promise<FaultUpstream> {
  const upstream = await startFaultUpstream(options);
  closing.push(() => closeQuietly(upstream));
  upstream.add('app', 'v1', image);
  return upstream;
}

function clientWith(options: TestClientOptions = {}): UpstreamClient {
  const client = testClient(options);
  closing.push(() => client.close());
  return client;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(5);
}

const address = (text: string): ResolvedAddress => ({ address: text, family: text.includes(':') ? 6 : 4 });

describe('S2: rebinding', () => {
  test('a name that is public first and 127.0.0.1 next gets no connection inside', async () => {
    const canary = await upstreamWith();
    const answers = [[address('203.0.112.1')], [address('127.0.0.1')]];
    const lookup = async () => answers.shift() ?? [address('127.0.0.1')];
    const client = clientWith({ allowedHosts: [], lookup, deadlines: { connectMs: 100 } });
    const settings = settingsFor(`rebind.example:${canary.port}`);
    expect(await client.isAllowed(settings)).toBe(true);
    const error = await failureOf(client.registry(settings).getManifest(app, v1, soon()));
    expect(error).toMatchObject({ failureClass: 'blocked' });
    expect(canary.acceptedConnections).toBe(0);
  });

  test('one forbidden address among public ones is enough to refuse', async () => {
    const canary = await upstreamWith();
    const lookup = async () => [address('203.0.112.1'), address('127.0.0.1')];
    const client = clientWith({ allowedHosts: [], lookup });
    const settings = settingsFor(`mixed.example:${canary.port}`);
    expect(await client.isAllowed(settings)).toBe(false);
    expect(await failureOf(client.registry(settings).getManifest(app, v1, soon()))).toMatchObject({
      failureClass: 'blocked',
    });
    expect(canary.acceptedConnections).toBe(0);
  });

  test('each new connection is judged anew, a kept one is not', async () => {
    const upstream = await upstreamWith();
    let lookups = 0;
    let answer = '127.0.0.1';
    const lookup = async () => {
      lookups += 1;
      return [address(answer)];
    };
    const client = clientWith({ allowedHosts: ['127.0.0.1/32'], lookup });
    const registry = client.registry(settingsFor(`registry.example:${upstream.port}`));
    await registry.getManifest(app, v1, soon());
    answer = '127.0.0.2';
    await registry.getManifest(app, v1, soon());
    expect([lookups, upstream.acceptedConnections]).toEqual([1, 1]);
    upstream.dropConnections();
    await sleep(20);
    expect(await failureOf(registry.getManifest(app, v1, soon()))).toMatchObject({ failureClass: 'blocked' });
    expect(upstream.acceptedConnections).toBe(1);
  });
});

describe('S1: what may be saved', () => {
  test.each([
    ['127.0.0.1', false],
    ['localhost:5000', false],
    ['0x7f.1', false],
    ['2130706433', false],
    ['[::1]:5000', false],
    ['169.254.169.254', false],
    ['1.2.3.4.5', false],
    ['8.8.8.8', true],
    ['[2606:4700::1111]', true],
    ['nowhere.invalid', true],
  ])('%s: %s', async (upstream, allowed) => {
    const lookup = async (name: string) => {
      if (name === 'localhost') return [address('127.0.0.1'), address('::1')];
      throw new Error('ENOTFOUND');
    };
    expect(await clientWith({ allowedHosts: [], lookup }).isAllowed(settingsFor(upstream))).toBe(allowed);
  });

  test('a resolver that hangs does not hold up a save', async () => {
    const client = clientWith({ lookup: () => new Promise(() => undefined), deadlines: { checkBudgetMs: 50 } });
    expect(await client.isAllowed(settingsFor('hung.example'))).toBe(true);
  });
});

describe('deadlines of a connection', () => {
  test('a black hole is given up after the connect deadline, and not tried again', async () => {
    await using hole = await startBlackHole();
    const client = clientWith({ deadlines: { connectMs: 150 } });
    const started = performance.now();
    const error = await failureOf(client.registry(settingsFor(hole.host)).getManifest(app, v1, soon()));
    expect(error).toMatchObject({ failureClass: 'timeout' });
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  test('a resolver that hangs is given up too', async () => {
    const client = clientWith({ lookup: () => new Promise(() => undefined), deadlines: { connectMs: 100 } });
    const error = await failureOf(client.registry(settingsFor('hung.example:80')).getManifest(app, v1, soon()));
    expect(error).toMatchObject({ failureClass: 'timeout' });
  });

  test('the first of two addresses may be dead', async () => {
    await using hole = await startBlackHole();
    const upstream = await upstreamWith({ address: '127.0.0.2', port: hole.port });
    const lookup = async () => [address('127.0.0.1'), address('127.0.0.2')];
    const registry = clientWith({ lookup }).registry(settingsFor(`two.example:${hole.port}`));
    const started = performance.now();
    expect((await registry.getManifest(app, v1, soon())).bytes.equals(image.manifest.bytes)).toBe(true);
    expect(performance.now() - started).toBeLessThan(1_500);
    expect(upstream.acceptedConnections).toBe(1);
  });

  test('nobody listens', async () => {
    const upstream = await upstreamWith();
    await upstream.kill();
    const error = await failureOf(clientWith().registry(settingsFor(upstream.host)).getManifest(app, v1, soon()));
    expect(error).toMatchObject({ failureClass: 'connect' });
  });

  test('a name that does not resolve', async () => {
    const lookup = async () => {
      throw Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });
    };
    const registry = clientWith({ lookup }).registry(settingsFor('gone.example'));
    expect(await failureOf(registry.getManifest(app, v1, soon()))).toMatchObject({ failureClass: 'dns' });
  });
});

describe('TLS', () => {
  const secure = (upstream: FaultUpstream) => settingsFor(upstream.host, { insecure: false });

  test('a certificate of an unknown authority is refused, and nothing is sent', async () => {
    const upstream = await upstreamWith({ tls: selfSignedCertificate() });
    const error = await failureOf(clientWith().registry(secure(upstream)).getManifest(app, v1, soon()));
    expect(error).toMatchObject({ failureClass: 'tls' });
    expect(upstream.count()).toBe(0);
    expect(upstream.acceptedConnections).toBe(1);
  });

  test('there is no way back to plain http', async () => {
    const upstream = await upstreamWith();
    const error = await failureOf(clientWith().registry(secure(upstream)).getManifest(app, v1, soon()));
    expect(error).toMatchObject({ failureClass: 'tls' });
    expect(upstream.count()).toBe(0);
  });

  test('a handshake that stalls is given up after its own deadline', async () => {
    const upstream = await upstreamWith({ tls: selfSignedCertificate() });
    upstream.fault({ kind: 'connection', by: 'stall' });
    const client = clientWith({ deadlines: { tlsMs: 100 } });
    const started = performance.now();
    const error = await failureOf(client.registry(secure(upstream)).getManifest(app, v1, soon()));
    expect(error).toMatchObject({ failureClass: 'timeout' });
    expect(performance.now() - started).toBeLessThan(1_000);
    await sleep(20);
    expect(upstream.openSockets).toBe(0);
  });
});

describe('sockets', () => {
  test('a connection serves one request after the other, whatever their answers are', async () => {
    const upstream = await upstreamWith();
    const registry = clientWith().registry(settingsFor(upstream.host));
    const missing = { kind: 'tag', tag: tagOf('missing') } as const;
    for (let n = 0; n < 3; n += 1) {
      await registry.headManifest(app, v1, soon());
      await registry.headManifest(app, missing, soon());
      await registry.getManifest(app, v1, soon());
      await failureOf(registry.getManifest(app, missing, soon()));
    }
    // Two, because a connection is free only once its answer has been read to the end.
    expect(upstream.acceptedConnections).toBeLessThanOrEqual(2);
  });

  // More at a time than there may be connections, which are 96.
  const CROWD = 250;
  const crowd = (client: UpstreamClient, host: string) =>
    Promise.allSettled(
      // Longer than a test may take: whoever waits until then has been forgotten.
      Array.from({ length: CROWD }, () => client.registry(settingsFor(host)).getManifest(app, v1, soon(60_000))),
    );
  const classesOf = (settled: readonly PromiseSettledResult<unknown>[]) =>
    new Set(settled.map((each) => (each.status === 'fulfilled' ? 'answered' : each.reason.failureClass)));

  test('a crowd shares those there are, and everybody is served', async () => {
    const upstream = await upstreamWith();
    const client = clientWith();
    expect(classesOf(await crowd(client, upstream.host))).toEqual(new Set(['answered']));
    expect(upstream.acceptedConnections).toBeLessThanOrEqual(96);
    expect(client.connectionsOpened).toBe(upstream.acceptedConnections);
  });

  test('F2: those that are still being opened count, and whoever waits for one fails with them', async () => {
    await using hole = await startBlackHole();
    const client = clientWith({ deadlines: { connectMs: 300, headersMs: 60_000 } });
    expect(classesOf(await crowd(client, hole.host))).toEqual(new Set(['timeout']));
    expect(client.connectionsOpened).toBe(96);
  });

  test('as long as one connection is open, who waits is served by it, whatever becomes of the others', async () => {
    const upstream = await upstreamWith();
    let resolved = 0;
    const lookup = async () => {
      resolved += 1;
      // Nobody listens there.
      return [address(resolved === 1 ? '127.0.0.1' : '127.0.0.9')];
    };
    const client = clientWith({ lookup, deadlines: { headersMs: 60_000 } });
    // Longer than it is tried again for.
    upstream.fault({ kind: 'delay', ms: 2_000 }, { times: 1 });
    const settings = settingsFor(`upstream.example:${upstream.port}`);
    const slow = client.registry(settings).getManifest(app, v1, soon(60_000));
    await until(() => upstream.count() === 1);
    const settled = await crowd(client, settings.upstream);
    await slow;
    expect(settled.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThanOrEqual(CROWD - 95);
  });

  test('F1: where nobody listens, a crowd is told so as fast as one is', async () => {
    const upstream = await upstreamWith();
    const { host } = upstream;
    await upstream.close();
    const client = clientWith({ deadlines: { headersMs: 60_000 } });
    expect(classesOf(await crowd(client, host))).toEqual(new Set(['connect']));
    // Each asks up to three times, but as long as nothing is connected a failure is everybody's.
    expect(client.connectionsOpened).toBeLessThan(2 * CROWD);
    expect(classesOf(await crowd(client, host))).toEqual(new Set(['connect']));
  });

  test('close ends them all', async () => {
    const upstream = await upstreamWith();
    const client = clientWith();
    await client.registry(settingsFor(upstream.host)).getManifest(app, v1, soon());
    expect(upstream.openSockets).toBe(1);
    client.close();
    for (let waited = 0; upstream.openSockets > 0 && waited < 2_000; waited += 10) await sleep(10);
    expect(upstream.openSockets).toBe(0);
  });

  test.each(['connection refused', 'reset', 'blocked', '401', '500'])(
    'no error carries credentials: %s',
    async (what) => {
      const upstream = await upstreamWith({ auth: { kind: 'basic', username: 'robot', password: 'hunter2-hunter2' } });
      const credentials = { username: 'robot', password: 'hunter2-hunter2' };
      const client = clientWith();
      const registry = client.registry(settingsFor(upstream.host, { credentials }));
      await registry.getManifest(app, v1, soon());
      const tokens = [
        'hunter2',
        Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64').slice(0, 20),
      ];
      if (what === 'connection refused') await upstream.kill();
      if (what === 'reset') upstream.fault({ kind: 'no-answer', by: 'reset' });
      if (what === 'blocked') upstream.fault({ kind: 'redirect', location: 'http://10.0.0.1/' });
      if (what === '401') upstream.fault({ kind: 'status', status: 401 });
      if (what === '500') upstream.fault({ kind: 'status', status: 500 });
      const error = await failureOf(registry.getManifest(app, v1, soon()));
      expect(error).toMatchObject({ name: 'UpstreamError', code: 'UPSTREAM_FAILED' });
      const everything = everythingIn(error);
      for (const token of tokens) expect(everything).not.toContain(token);
      expect(everything).not.toMatch(/authorization/i);
    },
  );
});
