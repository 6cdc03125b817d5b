import { digestOf } from '@breakwater/registry-core';
import { buildImage, type FaultUpstream, movableClock, startFaultUpstream } from '@breakwater/test-kit';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { RememberedRefusals } from '../src/remembered-refusals.js';
import { UpstreamError } from '../src/upstream/upstream-error.js';
import { errorOf, type TestCache } from './support/cluster.js';
import { closeQuietly, settingsFor } from './support/upstream-client.js';
import { useCluster } from './support/use-cluster.js';

// P13: what an upstream said no to is not asked again for a while, whatever was asked for; what was no answer is.

const image = buildImage({ seed: 'refusals' });
const nobody = digestOf(Buffer.from('nobody has it'));
const WAYS = [
  ['a tag', '/v2/acme/app/manifests/none'],
  ['a manifest by digest', `/v2/acme/app/manifests/${nobody}`],
  ['a blob', `/v2/acme/app/blobs/${nobody}`],
  ['the tags of a repository', '/v2/acme/none/tags/list'],
] as const;
const referrers = `/v2/acme/app/referrers/${nobody}`;

const cluster = useCluster();
let upstream: FaultUpstream;
let cache: TestCache;

beforeEach(async () => {
  upstream = await cluster.startUpstream(image);
  cache = await cluster.startCache();
});

/** How many requests this many of ours are for the upstream. */
async function requestsFor(path: string, status: number, method = 'GET', times = 5): Promise<number> {
  upstream.reset();
  for (let n = 0; n < times; n += 1) expect((await cache.get(path, { method })).status).toBe(status);
  return upstream.count();
}

describe.each(WAYS)('%s', (_what, path) => {
  test('404 is asked for once in ten seconds, and the HEAD of it as well', async () => {
    expect(await requestsFor(path, 404)).toBe(1);
    expect(await requestsFor(path, 404, 'HEAD')).toBe(0);
    cluster.clock.advance({ ms: 9_999 });
    expect(await requestsFor(path, 404)).toBe(0);
    cluster.clock.advance({ ms: 1 });
    expect(await requestsFor(path, 404)).toBe(1);
  });

  test.each([401, 403])('%i is asked for once in thirty seconds', async (status) => {
    cluster.proxy({ credentials: { username: 'puller', password: 'x' } });
    upstream.fault({ kind: 'status', status });
    expect(await requestsFor(path, 403)).toBe(1);
    cluster.clock.advance({ ms: 29_999 });
    expect(await requestsFor(path, 403)).toBe(0);
    cluster.clock.advance({ ms: 1 });
    expect(await requestsFor(path, 403)).toBe(1);
  });

  test('other credentials are tried at once', async () => {
    const credentials = { username: 'puller', password: 'x' };
    cluster.proxy({ credentials, credentialVersion: 1 });
    upstream.fault({ kind: 'status', status: 403 });
    expect(await requestsFor(path, 403)).toBe(1);
    cluster.proxy({ credentials, credentialVersion: 2 });
    expect(await requestsFor(path, 403)).toBe(1);
  });

  test.each([
    ['500', { kind: 'status', status: 500 }, 503],
    ['no connection', { kind: 'no-answer', by: 'reset' }, 503],
  ] as const)('%s is no answer, and asked for each time', async (_how, fault, status) => {
    upstream.fault(fault);
    for (let n = 0; n < 3; n += 1) expect(await requestsFor(path, status, 'GET', 1)).toBeGreaterThan(0);
  });

  test('another upstream is asked at once', async () => {
    expect(await requestsFor(path, 404)).toBe(1);
    const other = await startFaultUpstream();
    other.add('app', 'v1', image);
    try {
      cluster.configure(settingsFor(other.host));
      expect((await cache.get(path)).status).toBe(404);
      expect(other.count()).toBe(1);
    } finally {
      await closeQuietly(other);
    }
  });
});

test('referrers: 403 is asked for once in thirty seconds; 404 is an answer, which is kept', async () => {
  cluster.proxy({ credentials: { username: 'puller', password: 'x' } });
  upstream.fault({ kind: 'status', status: 403 });
  expect(await requestsFor(referrers, 403)).toBe(1);
  cluster.clock.advance({ seconds: 30 });
  upstream.clearFaults();
  expect(await requestsFor(referrers, 200)).toBeGreaterThan(0);
  expect(await requestsFor(referrers, 200)).toBe(0);
});

test('a blob and a manifest of the same digest are two things', async () => {
  expect(await requestsFor(`/v2/acme/app/blobs/${nobody}`, 404)).toBe(1);
  expect(await requestsFor(`/v2/acme/app/manifests/${nobody}`, 404)).toBe(1);
});

describe('F59: an image of schema 1', () => {
  const schema1 = {
    kind: 'status',
    status: 200,
    headers: { 'Content-Type': 'application/vnd.docker.distribution.manifest.v1+prettyjws' },
    body: JSON.stringify({ schemaVersion: 1, name: 'app', tag: 'v1', fsLayers: [], history: [] }),
  } as const;

  test.each([
    ['by its type', schema1],
    ['by what it says of itself', { ...schema1, headers: { 'Content-Type': 'application/json' } }],
  ])('%s: 404 that says what to do, asked for once in ten seconds', async (_how, fault) => {
    upstream.fault(fault, { match: { kind: 'manifest' } });
    const answer = await cache.get('/v2/acme/app/manifests/v1');
    expect([answer.status, errorOf(answer).code]).toEqual([404, 'MANIFEST_UNKNOWN']);
    expect(errorOf(answer).message).toMatch(/schema 1 only.*push it again with a current client/);
    expect(await requestsFor('/v2/acme/app/manifests/v1', 404)).toBe(0);
    // The upstream is in order: an image of today comes at once.
    upstream.clearFaults();
    upstream.add('app', 'v2', image);
    expect((await cache.get('/v2/acme/app/manifests/v2')).status).toBe(200);
  });

  test('by digest, which is not that of its bytes', async () => {
    upstream.fault(schema1, { match: { kind: 'manifest' } });
    const answer = await cache.get(`/v2/acme/app/manifests/${nobody}`);
    expect([answer.status, errorOf(answer).code]).toEqual([404, 'MANIFEST_UNKNOWN']);
    expect(errorOf(answer).message).toContain('schema 1');
  });

  test('is no reason to give up a copy that is cached', async () => {
    expect((await cache.get('/v2/acme/app/manifests/v1')).status).toBe(200);
    upstream.fault(schema1, { match: { kind: 'manifest' } });
    cluster.clock.advance({ hours: 2 });
    expect((await cache.get('/v2/acme/app/manifests/v1')).headers.warning).toContain('protocol');
    cluster.clock.advance({ days: 30 });
    const lapsed = await cache.get('/v2/acme/app/manifests/v1');
    expect([lapsed.status, errorOf(lapsed).detail?.['reason']]).toEqual([503, 'protocol']);
  });
});

test('as many as fit are remembered, those asked for last', () => {
  const refusals = new RememberedRefusals(movableClock(), 2);
  const removed = new UpstreamError('removed', 'it is gone');
  for (const key of ['a', 'b']) refusals.note(key, removed);
  refusals.find('a');
  refusals.note('c', removed);
  expect(['a', 'b', 'c'].map((key) => refusals.find(key) !== undefined)).toEqual([true, false, true]);
});
