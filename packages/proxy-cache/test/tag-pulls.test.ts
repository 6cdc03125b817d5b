import { setTimeout as sleep } from 'node:timers/promises';
import { buildImage, type FaultUpstream } from '@breakwater/test-kit';
import { beforeEach, expect, test } from '@jest/globals';
import { type TestCache, until } from './support/cluster.js';
import { useCluster } from './support/use-cluster.js';

const path = (tag: string) => `/v2/acme/app/manifests/${tag}`;
/** Health is read anew after a second. */
const UNTIL_HEALTH_IS_READ_MS = 1_100;

const cluster = useCluster();
let upstream: FaultUpstream;
let cache: TestCache;

beforeEach(async () => {
  const image = buildImage({ seed: 'tag pulls' });
  upstream = await cluster.startUpstream(image);
  upstream.add('app', 'v2', buildImage({ seed: 'another' }));
  cache = await cluster.startCache();
});

test('P11: who looked before a check had ended, and comes to ask after it, asks nobody', async () => {
  // A success that is known already is not written again, so that the check can end while health cannot be read.
  expect((await cache.get(path('v1'))).status).toBe(200);
  upstream.reset();
  upstream.fault({ kind: 'delay', ms: UNTIL_HEALTH_IS_READ_MS + 1_000 }, { times: 1 });
  const first = cache.get(path('v2'));
  await until('the upstream is asked', () => upstream.count() === 1);
  await sleep(UNTIL_HEALTH_IS_READ_MS);

  const holding = await cluster.database.knex.transaction();
  try {
    await holding.raw('LOCK TABLE upstream_health IN ACCESS EXCLUSIVE MODE');
    const second = cache.get(path('v2'));
    await until('it waits for health', async () => {
      const { rows } = await cluster.database.knex.raw(
        'SELECT 1 FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())',
      );
      return rows.length > 0;
    });
    expect((await first).status).toBe(200);
    await holding.rollback();
    expect((await second).status).toBe(200);
  } finally {
    if (!holding.isCompleted()) await holding.rollback();
  }
  expect(upstream.count({ kind: 'manifest' })).toBe(1);
});
