import type { OrganizationName } from '@breakwater/registry-core';
import { buildImage, type FaultUpstream } from '@breakwater/test-kit';
import { beforeEach, expect, test } from '@jest/globals';
import { ORGANIZATION, settingsFor } from './support/upstream-client.js';
import { useCluster } from './support/use-cluster.js';

// How garbage collection finds out how an upstream is before it takes anything (I5): whatever an organization has of it is
// enough to ask about, and where nobody can be asked nobody knows.

const image = buildImage({ seed: 'state' });
const OTHER = 'other' as OrganizationName;

const cluster = useCluster();
let upstream: FaultUpstream;

beforeEach(async () => {
  upstream = await cluster.startUpstream(image);
});

async function cached(organization: OrganizationName, tag: string, usedAgoMs: number): Promise<void> {
  const at = new Date(cluster.clock.now() - usedAgoMs);
  await cluster.database.knex('cached_tag').insert({
    organization,
    upstream: upstream.host,
    repository: 'app',
    tag,
    origin: upstream.origins.registry,
    digest: image.manifest.digest,
    confirmed_at: at,
    last_used_at: at,
    pinned: false,
  });
}

async function usedByDigest(organization: OrganizationName): Promise<void> {
  const at = new Date(cluster.clock.now() - 3_600_000);
  await cluster.database.knex('digest_use').insert({
    organization,
    upstream: upstream.host,
    repository: 'app',
    digest: image.manifest.digest,
    confirmed_at: at,
    last_used_at: at,
  });
}

const check = async (allowedHosts = ['127.0.0.0/8']) => {
  const { cache } = await cluster.startCache({ allowedHosts, deadlines: { clientBudgetMs: 1_000 } });
  return cache.upstreams.check(ORGANIZATION, upstream.host);
};

test('what is pulled by digest only is asked about by digest', async () => {
  await usedByDigest(ORGANIZATION);
  expect(await check()).toEqual({ down: false, lastHeardAt: cluster.clock.now() });
  expect(upstream.count({ method: 'HEAD', kind: 'manifest' })).toBe(1);
  await upstream.kill();
  expect(await check()).toMatchObject({ down: true, downSince: cluster.clock.now() });
});

test('an organization asks about what it has itself, however much others pulled of the same registry since', async () => {
  await cached(ORGANIZATION, 'v1', 3_600_000);
  for (let count = 0; count < 25; count += 1) await cached(OTHER, `v${count}`, 1_000);
  await upstream.kill();
  expect(await check()).toMatchObject({ down: true });
});

test('with nothing to ask about nobody knows, and nobody is asked', async () => {
  await cached(OTHER, 'v1', 0);
  expect(await check()).toBeUndefined();
  expect(upstream.count()).toBe(0);
});

test('an upstream that is known not to answer HEAD is asked with GET, so that it is not taken to be up', async () => {
  upstream.fault({ kind: 'head-refused' });
  const { cache, get } = await cluster.startCache();
  const path = '/v2/acme/app/manifests/v1';
  expect((await get(path)).status).toBe(200);
  cluster.clock.advance({ minutes: 61 });
  // HEAD, and then GET, which shows that it is HEAD that is refused.
  expect((await get(path)).status).toBe(200);
  upstream.reset();
  expect(await cache.upstreams.check(ORGANIZATION, upstream.host)).toMatchObject({ down: false });
  expect(upstream.count({ method: 'GET', kind: 'manifest' })).toBe(1);
  await upstream.kill();
  expect(await cache.upstreams.check(ORGANIZATION, upstream.host)).toMatchObject({ down: true });
});

test('an upstream whose address is not allowed is down since it was heard of last', async () => {
  await cached(ORGANIZATION, 'v1', 3_600_000);
  const { lastHeardAt } = (await check()) ?? {};
  cluster.clock.advance({ hours: 2 });
  upstream.reset();
  expect(await check([])).toEqual({ down: true, downSince: lastHeardAt, lastHeardAt });
  expect(upstream.count()).toBe(0);
});

test('an upstream that has asked to wait is down for whom it has asked, from then on', async () => {
  await cached(ORGANIZATION, 'v1', 3_600_000);
  upstream.fault({ kind: 'status', status: 429, headers: { 'retry-after': '600' } });
  const { cache } = await cluster.startCache();
  const since = cluster.clock.now();
  expect(await cache.upstreams.check(ORGANIZATION, upstream.host)).toMatchObject({ down: true, downSince: since });
  cluster.clock.advance({ minutes: 5 });
  upstream.reset();
  expect(await cache.upstreams.check(ORGANIZATION, upstream.host)).toMatchObject({ down: true, downSince: since });
  expect(await cache.upstreams.condition(ORGANIZATION, upstream.host)).toMatchObject({ down: true });
  expect(upstream.count()).toBe(0);
});

test('the quotas of organizations are found that have tags, uses by digest, or both', async () => {
  const named = (organization: string) => organization as OrganizationName;
  const names = ['a-tags', 'b-digests', 'c-both', 'd-digests'].map(named);
  for (const organization of names) {
    cluster.configure(settingsFor(upstream.host, { organization, quotaBytes: 1_000 }));
    if (!organization.endsWith('digests')) await cached(organization, 'v1', 0);
    if (!organization.endsWith('tags')) await usedByDigest(organization);
  }
  const { cache } = await cluster.startCache();
  const { quotas, next } = await cache.tags.quotas(undefined, undefined);
  expect(quotas.map(({ organization }) => organization)).toEqual(names);
  expect(next).toBeUndefined();
  const only = await cache.tags.quotas(named('b-digests'), undefined);
  expect(only.quotas).toMatchObject([{ organization: 'b-digests', quotaBytes: 1_000 }]);
});
