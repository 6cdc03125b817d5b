import { InProcessMessages, type Messages } from '@breakwater/registry-core';
import { buildImage, type FaultUpstream, MemoryBlobStore, MemoryManifestStore } from '@breakwater/test-kit';
import { beforeEach, expect, test } from '@jest/globals';
import { type TestCache, until } from './support/cluster.js';
import { useCluster } from './support/use-cluster.js';

// Messages make a tag that moved known sooner. Nothing ticks here, so that nothing else could have.

const image = buildImage({ seed: 'messages' });
const next = buildImage({ seed: 'messages, later' });
const path = '/v2/acme/app/manifests/v1';

const cluster = useCluster();
let upstream: FaultUpstream;

beforeEach(async () => {
  upstream = await cluster.startUpstream(image);
});

async function start(messages: Messages, stores: { manifests: MemoryManifestStore; blobs: MemoryBlobStore }) {
  return cluster.startCache({ ...stores, messages });
}

const digestAt = async (cache: TestCache) => (await cache.get(path)).headers['docker-content-digest'];

/** Two caches that both have the tag in memory; the first one then finds that it has moved. */
async function moved(messages: Messages) {
  const stores = { manifests: new MemoryManifestStore(), blobs: new MemoryBlobStore() };
  const [one, two] = [await start(messages, stores), await start(messages, stores)];
  for (const cache of [one, two]) expect(await digestAt(cache)).toBe(image.manifest.digest);
  upstream.move('app', 'v1', next);
  cluster.clock.advance({ hours: 1 });
  expect(await digestAt(one)).toBe(next.manifest.digest);
  // Fresh again for whoever does not know that it has moved, and too young for a check ahead.
  cluster.clock.advance({ minutes: -50 });
  return { one, two };
}

test('the other cache answers with what the tag has become, because of a message', async () => {
  const { two } = await moved(new InProcessMessages());
  await until('it is seen', async () => (await digestAt(two)) === next.manifest.digest);
});

test('without one it goes on with what it has, which it may', async () => {
  const lost: Messages = { publish: () => Promise.reject(new Error('lost')), subscribe: () => () => undefined };
  const { two } = await moved(lost);
  expect(await digestAt(two)).toBe(image.manifest.digest);
});

test('a tag that was collected is told of', async () => {
  const messages = new InProcessMessages();
  const { one } = await moved(messages);
  const told: string[] = [];
  messages.subscribe('cached-tags', (message) => void told.push(message));
  const { tags } = await one.cache.tags.list({ limit: 10 });
  expect(await one.cache.tags.expire(tags.slice(0, 1), { id: 'run' })).toEqual([true]);
  expect(told).toHaveLength(1);
});

test('a pull that changes nothing is not told of', async () => {
  const messages = new InProcessMessages();
  const told: string[] = [];
  messages.subscribe('cached-tags', (message) => void told.push(message));
  const stores = { manifests: new MemoryManifestStore(), blobs: new MemoryBlobStore() };
  const one = await start(messages, stores);
  upstream.add('app', 'v9', image);
  await one.get('/v2/acme/app/manifests/v9');
  cluster.clock.advance({ hours: 1 });
  await one.get('/v2/acme/app/manifests/v9');
  expect(told).toEqual([]);
});
