import { setTimeout as sleep } from 'node:timers/promises';
import type { OrganizationName } from '@breakwater/registry-core';
import { breakImage, buildImage, type FaultUpstream, MemoryBlobStore, MemoryManifestStore } from '@breakwater/test-kit';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { errorOf, type TestCache, type TestCacheOptions, until } from './support/cluster.js';
import { ORGANIZATION, settingsFor } from './support/upstream-client.js';
import { useCluster } from './support/use-cluster.js';

const image = buildImage({ seed: 'health' });
const next = buildImage({ seed: 'health, later' });
const path = '/v2/acme/app/manifests/v1';

const cluster = useCluster();
let upstream: FaultUpstream;
let manifests: MemoryManifestStore;
let blobs: MemoryBlobStore;

beforeEach(async () => {
  upstream = await cluster.startUpstream(image);
  manifests = new MemoryManifestStore();
  blobs = new MemoryBlobStore();
});

/** Another process, on the same stores. */
async function start(options: TestCacheOptions = {}): Promise<TestCache> {
  return cluster.startCache({ manifests, blobs, ...options });
}

/** A process that has the tag, which is due for a check. */
async function startWithStale(options: TestCacheOptions = {}): Promise<TestCache> {
  const cache = await start(options);
  expect((await cache.get(path)).status).toBe(200);
  cluster.clock.advance({ hours: 1 });
  upstream.reset();
  return cache;
}

function health(): Promise<{ failures: number; down_since: Date | null; next_check_at: Date | null } | undefined> {
  return cluster.database.knex('upstream_health').where({ origin: upstream.origins.registry, credential: '' }).first();
}

const checks = () => upstream.count({ method: 'HEAD' });

describe('known down', () => {
  test('the first failed check counts, and nobody asks inside its window', async () => {
    const cache = await startWithStale();
    upstream.fault({ kind: 'status', status: 503 });
    for (let n = 0; n < 5; n += 1) expect((await cache.get(path)).headers.warning).toContain('server_error');
    // Three attempts of one check, and no more.
    expect(checks()).toBe(3);
    expect(cache.told('upstream-down')).toMatchObject([
      { origin: upstream.origins.registry, failureClass: 'server_error' },
    ]);
    expect(cache.told('masked-error')).toHaveLength(1);
    expect(cache.told('shielded-pull')).toHaveLength(5);
    expect(await health()).toMatchObject({ failures: 1, down_since: new Date(cluster.clock.now()) });
    const window = ((await health())?.next_check_at?.getTime() ?? 0) - cluster.clock.now();
    expect(window).toBeGreaterThanOrEqual(4_000);
    expect(window).toBeLessThanOrEqual(6_000);
  });

  test('every process of the cluster knows, without asking', async () => {
    const [one, two] = [await startWithStale(), await start()];
    await upstream.kill();
    await one.get(path);
    upstream.reset();
    const connections = upstream.acceptedConnections;
    expect((await two.get(path)).headers.warning).toContain('connect');
    expect(upstream.acceptedConnections).toBe(connections);
    expect(two.told('upstream-request')).toEqual([]);
  });

  test('it survives a restart: no time-out is paid', async () => {
    const cache = await startWithStale({ deadlines: { checkBudgetMs: 100, clientBudgetMs: 800 } });
    upstream.fault({ kind: 'no-answer', by: 'stall' });
    await cache.get(path);
    upstream.dropConnections();
    await cache.stop();
    const restarted = await start({ deadlines: { checkBudgetMs: 3_000 } });
    const answer = await restarted.get(path);
    expect(answer.headers.warning).toContain('timeout');
    expect(answer.headersAfterMs).toBeLessThan(1_000);
    expect(restarted.told('upstream-request')).toEqual([]);
  });

  test('absent content is tried all the same', async () => {
    const cache = await startWithStale();
    upstream.fault({ kind: 'status', status: 503 }, { times: 3 });
    await cache.get(path);
    upstream.add('app', 'v2', next);
    expect((await cache.get('/v2/acme/app/manifests/v2')).status).toBe(200);
    expect(cache.told('upstream-recovered')).toHaveLength(1);
    expect((await cache.get(path)).headers.warning).toBeUndefined();
  });

  test('the error of absent content says since when', async () => {
    const cache = await startWithStale();
    await upstream.kill();
    await cache.get(path);
    const since = new Date(cluster.clock.now()).toISOString();
    cluster.clock.advance({ seconds: 2 });
    expect(errorOf(await cache.get('/v2/acme/app/manifests/none')).detail).toMatchObject({ reason: 'connect', since });
  });

  test('refusals show that the upstream is up', async () => {
    const cache = await startWithStale();
    upstream.fault({ kind: 'status', status: 503 }, { times: 3 });
    await cache.get(path);
    await cache.get('/v2/acme/app/manifests/none');
    expect((await health())?.down_since).toBeNull();
  });
});

describe('a hung upstream', () => {
  const deadlines = { checkBudgetMs: 150, clientBudgetMs: 1_500 };

  test('the first pull waits for the budget, the next ones for nothing, and a late success ends it', async () => {
    const cache = await startWithStale({ deadlines });
    upstream.fault({ kind: 'delay', ms: 800 }, { times: 1 });
    const first = await cache.get(path);
    expect(first.headers.warning).toContain('timeout');
    expect(first.headersAfterMs).toBeGreaterThanOrEqual(140);
    expect(first.headersAfterMs).toBeLessThan(700);
    const second = await cache.get(path);
    expect(second.headers.warning).toContain('timeout');
    expect(second.headersAfterMs).toBeLessThan(140);
    expect(checks()).toBe(1);
    await until('the check has come back', () => cache.told('upstream-recovered').length === 1);
    const third = await cache.get(path);
    expect([third.headers.warning, third.headers.age]).toEqual([undefined, '0']);
    expect(checks()).toBe(1);
  });

  test('twenty at once wait for the same check', async () => {
    const cache = await startWithStale({ deadlines });
    upstream.fault({ kind: 'no-answer', by: 'stall' });
    const answers = await Promise.all(Array.from({ length: 20 }, () => cache.get(path)));
    expect(answers.every(({ status, headersAfterMs }) => status === 200 && headersAfterMs < 700)).toBe(true);
    expect(checks()).toBe(1);
    expect((await health())?.failures).toBe(1);
    upstream.dropConnections();
  });

  test('the check that goes on behind may find that the tag moved', async () => {
    const cache = await startWithStale({ deadlines });
    upstream.move('app', 'v1', next);
    upstream.fault({ kind: 'delay', ms: 400 }, { times: 1 });
    expect((await cache.get(path)).bytes.equals(image.manifest.bytes)).toBe(true);
    await until('the tag has moved', async () => (await cache.get(path)).bytes.equals(next.manifest.bytes));
  });

  test('absent content waits for the client budget, and no longer', async () => {
    const cache = await start({ deadlines: { clientBudgetMs: 300 } });
    upstream.fault({ kind: 'no-answer', by: 'stall' });
    const answer = await cache.get(path);
    expect([answer.status, answer.headersAfterMs < 1_500]).toEqual([504, true]);
  });
});

describe('recovery', () => {
  test('at the end of a window exactly one process repeats the real check, and its success ends the outage', async () => {
    const [one, two] = [await startWithStale({ ticking: true }), await start({ ticking: true })];
    await two.get(path);
    cluster.clock.advance({ hours: 1 });
    upstream.reset();
    upstream.fault({ kind: 'status', status: 503 });
    await Promise.all([one.get(path), two.get(path)]);
    const failed = checks();
    await sleep(400);
    expect(checks()).toBe(failed);
    upstream.clearFaults();
    // Long enough for the other process to look several times while the check is under way.
    upstream.fault({ kind: 'delay', ms: 500 }, { times: 1 });
    upstream.reset();
    cluster.clock.advance({ seconds: 7 });
    await until('somebody recovers', () => [one, two].some((cache) => cache.told('upstream-recovered').length > 0));
    await sleep(300);
    expect(checks()).toBe(1);
    expect([...one.told('upstream-recovered'), ...two.told('upstream-recovered')]).toHaveLength(1);
    // The check was a confirmation as well, and the other process learns of the end of the outage.
    await until('both serve without a warning', async () => {
      const answers = [await one.get(path), await two.get(path)];
      return answers.every(({ headers }) => headers.warning === undefined);
    });
    expect(checks()).toBe(1);
  });

  test('a tag that is collected while it is checked for the sake of health is not made anew', async () => {
    const cache = await startWithStale({ ticking: true });
    upstream.fault({ kind: 'status', status: 503 });
    await cache.get(path);
    upstream.clearFaults();
    upstream.fault({ kind: 'delay', ms: 400 }, { times: 1 });
    upstream.reset();
    cluster.clock.advance({ seconds: 7 });
    await until('it is checked', () => checks() === 1);
    await cluster.database.knex('cached_tag').delete();
    await until('the upstream is back', () => cache.told('upstream-recovered').length === 1);
    await cache.stop();
    expect(await cluster.database.knex('cached_tag')).toEqual([]);
    expect(upstream.count()).toBe(1);
  });

  test('each failed check at the end of a window doubles it', async () => {
    const cache = await startWithStale({ ticking: true });
    upstream.fault({ kind: 'status', status: 404 }, { match: { kind: 'ping' } });
    upstream.fault({ kind: 'status', status: 500 });
    await cache.get(path);
    for (const failures of [2, 3]) {
      // A row has whole milliseconds, memory has fractions of them.
      cluster.clock.set(((await health())?.next_check_at?.getTime() ?? 0) + 1);
      await until(`${failures} failures`, async () => (await health())?.failures === failures);
    }
    const window = ((await health())?.next_check_at?.getTime() ?? 0) - cluster.clock.now();
    expect(window).toBeGreaterThanOrEqual(16_000);
    expect(window).toBeLessThanOrEqual(24_000);
    expect(upstream.count({ kind: 'ping' })).toBe(0);
    expect(cache.told('upstream-down')).toHaveLength(1);
  });

  test('Retry-After makes a window longer, up to a quarter of an hour', async () => {
    const cache = await startWithStale();
    upstream.fault({ kind: 'status', status: 503, headers: { 'Retry-After': '999999' } });
    await cache.get(path);
    expect(((await health())?.next_check_at?.getTime() ?? 0) - cluster.clock.now()).toBe(900_000);
  });
});

describe('the check at the end of a window', () => {
  const other = '/v2/other/app/manifests/v1';
  const OTHER = 'other' as OrganizationName;
  const credentials = { username: 'puller', password: 'x' };
  const limited = { kind: 'status', status: 429, headers: { 'Retry-After': '600' } } as const;
  const isBack = (cache: TestCache) => () => cache.told('upstream-recovered').length > 0;

  /** Two organizations of one upstream; the one that has credentials has pulled last. */
  async function startTwo(): Promise<TestCache> {
    cluster.proxy({ credentials });
    cluster.configure({ ...settingsFor(upstream.host), organization: OTHER });
    const cache = await start({ ticking: true });
    expect((await cache.get(other)).status).toBe(200);
    cluster.clock.advance({ seconds: 1 });
    expect((await cache.get(path)).status).toBe(200);
    cluster.clock.advance({ hours: 1 });
    return cache;
  }

  test('asks with no credential whose Retry-After is in force', async () => {
    const cache = await startTwo();
    upstream.fault(limited, { times: 1 });
    expect((await cache.get(path)).headers.warning).toContain('rate_limited');
    upstream.fault({ kind: 'status', status: 503 });
    expect((await cache.get(other)).headers.warning).toContain('server_error');
    upstream.clearFaults();
    const asked = cache.told('upstream-request').length;
    cluster.clock.advance({ seconds: 7 });
    await until('the upstream is back', isBack(cache));
    expect(cache.told('upstream-request').slice(asked)).toMatchObject([{ organization: 'other' }]);
  });

  test('is not answered by what is remembered of a refusal', async () => {
    const cache = await startWithStale({ ticking: true });
    upstream.remove('app');
    expect((await cache.get(path)).headers.warning).toContain('no longer has this tag');
    upstream.add('app', 'v1', image);
    upstream.fault({ kind: 'status', status: 503 });
    expect((await cache.get('/v2/acme/app/manifests/v2')).status).toBe(503);
    upstream.clearFaults();
    cluster.clock.advance({ seconds: 7 });
    await until('the upstream is back', isBack(cache));
  });

  test('that joins one under way is what comes of that one', async () => {
    const cache = await startWithStale({ ticking: true, deadlines: { checkBudgetMs: 50, clientBudgetMs: 4_000 } });
    upstream.fault({ kind: 'no-answer', by: 'stall' });
    expect((await cache.get(path)).headers.warning).toContain('timeout');
    expect(await health()).toMatchObject({ failures: 1 });
    cluster.clock.advance({ seconds: 7 });
    await until('it has failed', async () => (await health())?.failures === 2);
    expect(checks()).toBe(1);
    upstream.dropConnections();
  });

  test('the one of garbage collection is not made while a Retry-After is in force', async () => {
    const cache = await startTwo();
    upstream.fault(limited, { times: 1 });
    await cache.get(path);
    upstream.reset();
    expect(await cache.cache.upstreams.check(ORGANIZATION, upstream.host)).toMatchObject({
      down: true,
      downSince: expect.any(Number),
    });
    expect(upstream.count()).toBe(0);
    expect(await cache.cache.upstreams.check(OTHER, upstream.host)).toMatchObject({ down: false });
    expect(upstream.count()).toBe(1);
  });

  test('an outage is told of all whose upstream it is, and a rate limit of whose it is, which is no outage', async () => {
    const cache = await startTwo();
    upstream.fault(limited, { times: 1 });
    await cache.get(path);
    const { registry: origin } = upstream.origins;
    const about = { origin, failureClass: 'rate_limited', retryAfterMs: 600_000 };
    expect(cache.told('rate-limited')).toEqual([{ ...about, organization: 'acme' }]);
    upstream.fault(limited, { times: 1 });
    await cache.get(other);
    expect(cache.told('rate-limited')[1]).toEqual(about);
    cluster.clock.advance({ seconds: 601 });
    await until('both may ask again', async () => {
      const answers = [await cache.get(path), await cache.get(other)];
      return answers.every(({ headers }) => headers.warning === undefined);
    });
    expect([...cache.told('upstream-down'), ...cache.told('upstream-recovered')]).toEqual([]);

    cluster.clock.advance({ hours: 1 });
    await cluster.database.knex('outage_minute').delete();
    upstream.fault({ kind: 'status', status: 503 });
    await cache.get(path);
    upstream.clearFaults();
    cluster.clock.advance({ seconds: 7 });
    await until('the upstream is back', isBack(cache));
    const outage = { origin, organizations: ['acme', 'other'], failureClass: 'server_error' };
    expect(cache.told('upstream-down')).toEqual([outage]);
    expect(cache.told('upstream-recovered')).toMatchObject([outage]);
    await cache.stop();
    const rows = await cluster.database.knex('outage_minute').whereLike('kind', 'upstream_%');
    expect(rows.map(({ organization, kind, failure_class: of }) => [organization, kind, of].join(' ')).sort()).toEqual(
      ['acme', 'other'].flatMap((of) => [`${of} upstream_down server_error`, `${of} upstream_recovered server_error`]),
    );
  });
});

describe('two processes', () => {
  test('a tag that one moves is seen by the other within two seconds', async () => {
    const [one, two] = [await start({ ticking: true }), await start({ ticking: true })];
    await one.get(path);
    await two.get(path);
    upstream.move('app', 'v1', next);
    cluster.clock.advance({ minutes: 50 });
    await one.get(path);
    const started = performance.now();
    await until('the other one sees it', async () => (await two.get(path)).bytes.equals(next.manifest.bytes), 3_000);
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(upstream.count({ method: 'HEAD' })).toBeLessThanOrEqual(2);
  });

  test('also in the first moments of the other', async () => {
    const [one, two] = [await start(), await start({ tickMs: 500 })];
    await one.get(path);
    await two.get(path);
    upstream.move('app', 'v1', next);
    cluster.clock.advance({ hours: 1 });
    await one.get(path);
    cluster.clock.advance({ hours: -1 });
    expect((await two.get(path)).bytes.equals(image.manifest.bytes)).toBe(true);
    await until('it is seen', async () => (await two.get(path)).bytes.equals(next.manifest.bytes), 2_000);
    expect(two.told('upstream-request')).toEqual([]);
  });
});

describe('without Postgres', () => {
  test('I11: hot pulls go on, others are 503 database and never a miss', async () => {
    const cache = await start();
    await cache.get(path);
    await cluster.loseDatabase();
    expect((await cache.get(path)).status).toBe(200);
    const cold = await cache.get('/v2/acme/app/manifests/v2');
    expect([cold.status, errorOf(cold).detail?.['reason']]).toEqual([503, 'database']);
    cluster.clock.advance({ hours: 1 });
    const stale = await cache.get(path);
    expect([stale.status, stale.headers.age]).toEqual([200, '0']);
  });
});

describe('what says nothing about the upstream', () => {
  test('one manifest that cannot be used does not keep the other tags from being checked', async () => {
    upstream.add('app', 'broken', breakImage(buildImage({ seed: 'broken' }), 'duplicate-keys'));
    const cache = await startWithStale();
    const refused = await cache.get('/v2/acme/app/manifests/broken');
    expect(refused.status).toBe(503);
    expect(errorOf(refused).detail).toMatchObject({ reason: 'protocol' });
    expect((await health())?.down_since ?? null).toBeNull();
    expect((await cache.get(path)).headers['warning']).toBeUndefined();
  });

  test('a check that a shutdown ends is not held against it, and is not waited for', async () => {
    const cache = await startWithStale({
      deadlines: { clientBudgetMs: 600_000, headersMs: 600_000, checkBudgetMs: 50 },
    });
    upstream.fault({ kind: 'no-answer', by: 'stall' });
    const absent = cache.get('/v2/acme/app/manifests/absent');
    await until('it is asked', () => upstream.count() > 0);
    const closed = cache.cache.close();
    expect(errorOf(await absent)).toMatchObject({ code: 'UNAVAILABLE', detail: { reason: 'overload' } });
    await closed;
    expect((await health())?.down_since ?? null).toBeNull();
  });
});
