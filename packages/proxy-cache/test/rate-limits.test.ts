import { buildImage, type FaultUpstream } from '@breakwater/test-kit';
import { beforeEach, expect, test } from '@jest/globals';
import { type TestCache, until } from './support/cluster.js';
import { useCluster } from './support/use-cluster.js';

// What an upstream tells of its rate limit, and what is not asked any more when little of it is left.

const HOUR_S = 3_600;
const path = '/v2/acme/app/manifests/v1';
const limited = (remaining: number) =>
  ({
    kind: 'headers',
    headers: { 'RateLimit-Limit': '100;w=21600', 'RateLimit-Remaining': `${remaining};w=21600` },
  }) as const;

const cluster = useCluster();
let upstream: FaultUpstream;
let cache: TestCache;

beforeEach(async () => {
  upstream = await cluster.startUpstream(buildImage({ seed: 'limits' }));
  cluster.proxy({ checkIntervalS: HOUR_S, stalenessPeriodS: 24 * HOUR_S });
  cache = await cluster.startCache();
});

test('with enough of the limit left, a pull late in the check interval checks ahead', async () => {
  upstream.fault(limited(11));
  await cache.get(path);
  upstream.reset();
  cluster.clock.advance({ seconds: HOUR_S * 0.8 });
  expect((await cache.get(path)).headers['warning']).toBeUndefined();
  await until('the check ahead', () => upstream.count({ method: 'HEAD' }) === 1);
});

test('with a tenth of it left, nothing is asked ahead until the window is over', async () => {
  upstream.fault(limited(10));
  await cache.get(path);
  upstream.reset();
  cluster.clock.advance({ seconds: HOUR_S * 0.8 });
  expect((await cache.get(path)).status).toBe(200);
  // A stale tag is asked about all the same: nothing can take the place of that.
  expect(upstream.count()).toBe(0);
  cluster.clock.advance({ seconds: HOUR_S });
  expect((await cache.get(path)).status).toBe(200);
  expect(upstream.count({ method: 'HEAD' })).toBe(1);
});

test('it is kept for other processes, and survives success and failure', async () => {
  upstream.fault(limited(3));
  await cache.get(path);
  const row = async () =>
    cluster.database
      .knex('upstream_health')
      .where({ origin: upstream.origins.registry, credential: 'anonymous' })
      .first();
  await until('the row', async () => (await row())?.rate_remaining === 3);
  upstream.clearFaults();
  upstream.fault({ kind: 'status', status: 429 });
  cluster.clock.advance({ seconds: 2 * HOUR_S });
  await cache.get(path);
  expect(await row()).toMatchObject({ rate_limit: 100, rate_remaining: 3, rate_window_s: 21_600 });
});
