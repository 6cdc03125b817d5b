import { setTimeout as sleep } from 'node:timers/promises';
import { buildImage, type FaultUpstream, selfSignedCertificate, startFaultUpstream, tagOf } from '@breakwater/test-kit';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AddressGuard } from '../../src/upstream/address-guard.js';
import { DEFAULT_DEADLINES } from '../../src/upstream/deadlines.js';
import { GuardedAgents } from '../../src/upstream/guarded-agent.js';
import { Resolver, systemLookup } from '../../src/upstream/resolver.js';
import { AxiosTransport } from '../../src/upstream/transport.js';
import type { UpstreamClient } from '../../src/upstream/upstream-client.js';
import { UpstreamProbe } from '../../src/upstream-probe.js';
import { closeQuietly, failureOf, nameOf, settingsFor, soon, testClient } from '../support/upstream-client.js';

// F28: an upstream whose certificate only some organizations trust.

const image = buildImage({ seed: 'certificates', layers: [4_000_000] });
const app = nameOf('app');
const v1 = { kind: 'tag', tag: tagOf('v1') } as const;
const layer = image.layers[0]?.digest ?? image.manifest.digest;
const own = selfSignedCertificate();
// By another name, because of two certificates of one name the first one is taken for the issuer.
const other = selfSignedCertificate({ names: ['other.example'] }).cert;

let upstream: FaultUpstream;
let client: UpstreamClient;

beforeEach(async () => {
  upstream = await startFaultUpstream({ tls: own });
  upstream.add('app', 'v1', image);
  client = testClient();
});
afterEach(async () => {
  client.close();
  await closeQuietly(upstream);
});

const with_ = (upstreamCaPem: string | undefined, organization = 'acme') =>
  settingsFor(upstream.host, {
    insecure: false,
    upstreamCaPem,
    organization: organization as ReturnType<typeof settingsFor>['organization'],
  });
const get = (settings: ReturnType<typeof settingsFor>) => client.registry(settings).getManifest(app, v1, soon());

describe('the certificates of an organization', () => {
  test('are trusted by it, and by nobody else on the same origin', async () => {
    expect(await failureOf(get(with_(undefined)))).toMatchObject({ failureClass: 'tls' });
    expect(upstream.count()).toBe(0);
    expect((await get(with_(own.cert))).bytes.equals(image.manifest.bytes)).toBe(true);
    // There is an open connection now that they could be sent over.
    for (const caPem of [undefined, other]) {
      expect(await failureOf(get(with_(caPem, 'others')))).toMatchObject({ failureClass: 'tls' });
    }
    expect(upstream.count()).toBe(1);
    expect((await get(with_(own.cert))).bytes.equals(image.manifest.bytes)).toBe(true);
  });

  test('may be several, and are used for token server and content server too', async () => {
    upstream.setAuth({ kind: 'bearer' });
    upstream.redirectBlobsTo();
    const registry = client.registry(with_(other + own.cert));
    await registry.getManifest(app, v1, soon());
    const { body } = await registry.getBlob(app, layer, soon());
    expect(Buffer.concat(await body.toArray()).equals(image.blobs.get(layer) ?? Buffer.alloc(0))).toBe(true);
    for (const server of ['token', 'cdn'] as const) expect(upstream.count({ server })).toBe(1);
  });

  test('count from the next request on when they change, with the credentials as they were', async () => {
    await get(with_(own.cert));
    expect(await failureOf(get(with_(other)))).toMatchObject({ failureClass: 'tls' });
    await get(with_(own.cert));
    expect(await failureOf(get(with_(undefined)))).toMatchObject({ failureClass: 'tls' });
  });

  test('share their connections with whoever trusts the same', async () => {
    await get(with_(own.cert));
    await get(with_(own.cert, 'others'));
    expect(upstream.acceptedConnections).toBe(1);
  });

  test('that cannot be read trust nobody', async () => {
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    expect(await failureOf(get(with_(broken)))).toMatchObject({ failureClass: 'tls' });
  });

  test('do not make another name right', async () => {
    const named = await startFaultUpstream({ tls: selfSignedCertificate({ names: ['registry.example'] }) });
    const settings = { ...with_(own.cert), upstream: named.host };
    expect(await failureOf(get(settings))).toMatchObject({ failureClass: 'tls' });
    await named.close();
  });

  test('of many organizations keep the connections of those used last, and break none off', async () => {
    const agents = new GuardedAgents(
      { guard: new AddressGuard(['127.0.0.0/8']), resolver: new Resolver(systemLookup), deadlines: DEFAULT_DEADLINES },
      2,
    );
    const transport = new AxiosTransport(agents, DEFAULT_DEADLINES, { now: () => 0 });
    const send = (path: string, caPem: string) => {
      const url = new URL(path, upstream.origins.registry);
      return transport.send({ url, method: 'GET', headers: {}, caPem, signal: soon() });
    };
    const underWay = await send(`/v2/app/blobs/${layer}`, own.cert);
    // The spelling makes them different, so that no more keys need to be made.
    for (const end of ['\n', '\n\n', '\n\n\n']) {
      await (await send('/v2/', own.cert + end)).body.toArray();
    }
    expect(Buffer.concat(await underWay.body.toArray()).equals(image.blobs.get(layer) ?? Buffer.alloc(0))).toBe(true);
    for (let waited = 0; upstream.openSockets > 2 && waited < 2_000; waited += 10) await sleep(10);
    expect([upstream.acceptedConnections, upstream.openSockets]).toEqual([4, 2]);
    agents.destroy();
  });

  test('are tried out before they are saved', async () => {
    const probe = new UpstreamProbe(client, { clientBudgetMs: 5_000 });
    const probed = { upstream: upstream.host, insecure: false };
    expect(await failureOf(probe.validate(probed))).toMatchObject({ failureClass: 'tls' });
    expect(await probe.validate({ ...probed, upstreamCaPem: own.cert })).toBe('valid');
    expect(await failureOf(probe.validate(probed))).toMatchObject({ failureClass: 'tls' });
  });
});
