import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type RawAnswer, rawGet } from '../clients/raw-client.js';
import { pullImage } from '../clients/raw-pull.js';
import { buildImage, buildIndex } from '../images/image-builder.js';
import { type FaultProxy, startFaultProxy } from './fault-proxy.js';
import { type FaultUpstream, startFaultUpstream } from './fault-upstream.js';

const index = buildIndex([buildImage({ seed: 'a' }), buildImage({ seed: 'b' })]);
let registry: FaultUpstream;
let proxy: FaultProxy;
const manifestPath = '/v2/org/app/manifests/v1';

beforeEach(async () => {
  registry = await startFaultUpstream();
  registry.add('org/app', 'v1', index);
  proxy = await startFaultProxy({ target: registry.origins.registry });
});

afterEach(async () => {
  await proxy.close();
  await registry.close();
  expect([proxy.openSockets, registry.openSockets]).toEqual([0, 0]);
});

const withoutDate = ({ status, headers, bytes }: RawAnswer) => ({ status, headers: { ...headers, date: '' }, bytes });

test.each(['GET', 'HEAD'])('passes everything on: %s', async (method) => {
  const blobPath = `/v2/org/app/blobs/${index.images[0]?.config.digest}`;
  for (const path of [manifestPath, blobPath, '/v2/', '/v2/org/none/manifests/v1']) {
    const options = { method, headers: { Range: 'bytes=2-9' } };
    const direct = await rawGet(`${registry.origins.registry}${path}`, options);
    expect(withoutDate(await rawGet(`${proxy.origin}${path}`, options))).toEqual(withoutDate(direct));
  }
  expect((await pullImage(proxy.origin, 'org/app', 'v1')).problems).toEqual([]);
});

test('makes the registry behind it seem to fail, and counts', async () => {
  proxy.fault({ kind: 'status', status: 503 }, { match: { kind: 'manifest' } });
  expect((await rawGet(`${proxy.origin}${manifestPath}`)).status).toBe(503);
  expect((await rawGet(`${proxy.origin}/v2/`)).status).toBe(200);
  expect([proxy.count(), proxy.count({ kind: 'manifest' })]).toEqual([2, 1]);
  proxy.clearFaults();
  expect((await rawGet(`${proxy.origin}${manifestPath}`)).status).toBe(200);
});

test('refuses and comes back', async () => {
  await proxy.kill();
  await expect(rawGet(`${proxy.origin}/v2/`)).rejects.toHaveProperty('code', 'ECONNREFUSED');
  await proxy.revive();
  expect((await rawGet(`${proxy.origin}/v2/`)).status).toBe(200);
});

test('resets when the registry behind it is dead', async () => {
  await registry.kill();
  await expect(rawGet(`${proxy.origin}/v2/`)).rejects.toHaveProperty('code', 'ECONNRESET');
});
