import type { Digest } from '@breakwater/registry-core';
import { buildImage, type FaultUpstream, MemoryBlobStore, MemoryManifestStore } from '@breakwater/test-kit';
import { beforeEach, expect, test } from '@jest/globals';
import { errorOf, type TestCache, type TestCacheOptions, until } from './support/cluster.js';
import { useCluster } from './support/use-cluster.js';

// Registry, token server and content server are origins of their own: what one does is not said of another.

const image = buildImage({ seed: 'origins' });
const other = buildImage({ seed: 'origins, another' });
const path = (tag: string) => `/v2/acme/app/manifests/${tag}`;

const cluster = useCluster();
let upstream: FaultUpstream;
let stores: { manifests: MemoryManifestStore; blobs: MemoryBlobStore };

beforeEach(async () => {
  upstream = await cluster.startUpstream(image, {
    auth: { kind: 'bearer', anonymous: true, tokenLifetimeS: 60 },
    clock: cluster.clock,
  });
  upstream.add('app', 'v2', other);
  stores = { manifests: new MemoryManifestStore(), blobs: new MemoryBlobStore() };
});

async function start(options: TestCacheOptions = {}): Promise<TestCache> {
  return cluster.startCache({ ...stores, ...options });
}

async function downOrigins(): Promise<readonly string[]> {
  const rows = await cluster.database.knex('upstream_health').whereNotNull('down_since').where({ credential: '' });
  return rows.map(({ origin }) => String(origin)).filter((origin) => Object.values(upstream.origins).includes(origin));
}

test('a token server that is down is the one that is down, and keeps stale tags from being asked about', async () => {
  const cache = await start();
  for (const tag of ['v1', 'v2']) expect((await cache.get(path(tag))).status).toBe(200);
  cluster.clock.advance({ hours: 1 });
  await upstream.kill('token');
  upstream.reset();

  const first = await cache.get(path('v1'));
  expect(first.status).toBe(200);
  expect(first.headers['warning']).toContain('(auth)');
  expect(await downOrigins()).toEqual([upstream.origins.token]);
  const asked = upstream.count();
  expect((await cache.get(path('v2'))).headers['warning']).toContain('(auth)');
  expect(upstream.count()).toBe(asked);
});

test('after a restart it is still known whose token server is down', async () => {
  const before = await start();
  await before.get(path('v1'));
  cluster.clock.advance({ hours: 1 });
  await upstream.kill('token');
  await before.get(path('v1'));
  await before.stop();
  upstream.reset();

  const after = await start();
  expect((await after.get(path('v1'))).headers['warning']).toContain('(auth)');
  expect(upstream.count()).toBe(0);
  expect(after.told('upstream-request')).toEqual([]);
});

test('when the token server is back, the check of a tag behind it ends the outage', async () => {
  const cache = await start({ ticking: true });
  await cache.get(path('v1'));
  cluster.clock.advance({ hours: 1 });
  await upstream.kill('token');
  await cache.get(path('v1'));
  await upstream.revive('token');
  cluster.clock.advance({ seconds: 10 });
  await until('the token server counts as back', async () => (await downOrigins()).length === 0);
  expect((await cache.get(path('v1'))).headers['warning']).toBeUndefined();
});

test('what is not cached is tried while the token server is known to be down', async () => {
  const cache = await start();
  await cache.get(path('v1'));
  cluster.clock.advance({ hours: 1 });
  await upstream.kill('token');
  await cache.get(path('v1'));

  const refused = await cache.get(path('v2'));
  expect(refused.status).toBe(503);
  expect(errorOf(refused).detail).toMatchObject({ reason: 'auth' });
  await upstream.revive('token');
  expect((await cache.get(path('v2'))).status).toBe(200);
  expect(await downOrigins()).toEqual([]);
});

test('a content server that is down says nothing of the registry, and is back with the first blob it sends', async () => {
  upstream.redirectBlobsTo(upstream.origins.cdn);
  const cache = await start();
  expect((await cache.get(path('v1'))).status).toBe(200);
  await upstream.kill('cdn');
  const layer = image.layers[0]?.digest as Digest;
  const blob = `/v2/acme/app/blobs/${layer}`;
  expect((await cache.get(blob)).status).toBe(503);
  expect(await downOrigins()).toEqual([upstream.origins.cdn]);

  cluster.clock.advance({ hours: 1 });
  expect((await cache.get(path('v1'))).headers['warning']).toBeUndefined();
  await upstream.revive('cdn');
  expect((await cache.get(blob)).status).toBe(200);
  await until('the content server counts as back', async () => (await downOrigins()).length === 0);
});
