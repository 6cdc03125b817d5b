import { setTimeout as sleep } from 'node:timers/promises';
import {
  buildImage,
  buildIndex,
  type Fault,
  type FaultUpstream,
  MemoryBlobStore,
  MemoryManifestStore,
  pullImage,
  type RawAnswer,
  repositoryOf,
  startFaultUpstream,
} from '@breakwater/test-kit';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { errorOf, type TestCache, type TestCacheOptions, until } from './support/cluster.js';
import { closeQuietly, settingsFor } from './support/upstream-client.js';
import { useCluster } from './support/use-cluster.js';

const image = buildImage({ seed: 'cache' });
const next = buildImage({ seed: 'cache, later' });
const path = '/v2/acme/app/manifests/v1';

const cluster = useCluster();
let upstream: FaultUpstream;
let manifests: MemoryManifestStore;
let blobs: MemoryBlobStore;
let cache: TestCache;

beforeEach(async () => {
  upstream = await cluster.startUpstream(image);
  manifests = new MemoryManifestStore();
  blobs = new MemoryBlobStore();
  cache = await cluster.startCache({ manifests, blobs });
});

async function restart(options: TestCacheOptions = {}): Promise<void> {
  await cache.stop();
  cache = await cluster.startCache({ manifests, blobs, ...options });
}

const pull = (wanted = path, method = 'GET') => cache.get(wanted, { method });
const warm = async () => {
  expect((await pull()).status).toBe(200);
  upstream.reset();
};
const repository = () => repositoryOf('acme/app', upstream.host);

async function row(tag = 'v1'): Promise<{ digest: string; confirmed_at: Date; last_used_at: Date } | undefined> {
  return cluster.database.knex('cached_tag').where({ upstream: upstream.host, tag }).first();
}

function isImage(answer: RawAnswer, expected = image): boolean {
  return answer.status === 200 && !answer.cut && answer.bytes.equals(expected.manifest.bytes);
}

const asked = () => upstream.requests.map(({ method, kind }) => `${method} ${kind}`);

describe('pulls', () => {
  test('a whole image by tag, cold and then from the cache', async () => {
    for (const problems of [
      await pullImage(cache.base, 'acme/app', 'v1'),
      await pullImage(cache.base, 'acme/app', 'v1'),
    ]) {
      expect(problems.problems).toEqual([]);
    }
    await until('the spool is empty', async () => (await cache.spooled()).length === 0);
    upstream.reset();
    expect((await pullImage(cache.base, 'acme/app', 'v1')).problems).toEqual([]);
    expect(upstream.count()).toBe(0);
  });

  test('an index with its children', async () => {
    const index = buildIndex([image, buildImage({ seed: 'arm', platform: { os: 'linux', architecture: 'arm64' } })]);
    upstream.add('app', 'multi', index);
    const pulled = await pullImage(cache.base, 'acme/app', 'multi');
    expect([pulled.problems, pulled.manifests.size]).toEqual([[], 3]);
  });

  test('by digest, which is stored for good', async () => {
    const byDigest = `/v2/acme/app/manifests/${image.manifest.digest}`;
    expect(isImage(await pull(byDigest))).toBe(true);
    await upstream.kill();
    cluster.clock.advance({ days: 400 });
    upstream.reset();
    const answer = await pull(byDigest);
    expect([isImage(answer), answer.headers.warning, upstream.count()]).toEqual([true, undefined, 0]);
    expect((await pull(byDigest, 'HEAD')).headers['docker-content-digest']).toBe(image.manifest.digest);
  });

  test('twenty cold pulls of a tag are one request', async () => {
    upstream.fault({ kind: 'delay', ms: 100 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => pull()));
    expect(answers.every((answer) => isImage(answer))).toBe(true);
    expect(asked()).toEqual(['GET manifest']);
  });

  test('the answer tells the truth', async () => {
    expect((await pull()).headers).toMatchObject({
      age: '0',
      'cache-status': 'Breakwater; fwd=uri-miss; stored',
      'content-type': image.manifest.mediaType,
      'docker-content-digest': image.manifest.digest,
    });
    cluster.clock.advance({ minutes: 10 });
    const fresh = await pull();
    expect(fresh.headers).toMatchObject({ age: '600', 'cache-status': 'Breakwater; hit; ttl=3000' });
    expect(fresh.headers.warning).toBeUndefined();
  });

  test('tags are passed through, under our name and with our link', async () => {
    for (const tag of ['a', 'b']) upstream.add('app', tag, image);
    const page = await pull('/v2/acme/app/tags/list?n=2');
    expect(JSON.parse(page.bytes.toString())).toEqual({ name: 'acme/app', tags: ['a', 'b'] });
    expect(page.headers['link']).toBe('</v2/acme/app/tags/list?n=2&last=b>; rel="next"');
    expect(JSON.parse((await pull('/v2/acme/app/tags/list?n=0')).bytes.toString()).tags).toEqual([]);
    expect((await pull('/v2/acme/app/tags/list?n=x')).status).toBe(400);
    await upstream.kill();
    expect((await pull('/v2/acme/app/tags/list')).status).toBe(503);
  });
});

describe('I3: a fresh tag waits for nobody', () => {
  test('zero requests, also when the upstream is gone', async () => {
    await warm();
    await upstream.kill();
    cluster.clock.advance({ minutes: 44 });
    for (const method of ['GET', 'HEAD']) expect((await pull(path, method)).status).toBe(200);
    expect(upstream.count()).toBe(0);
    expect(cache.told('upstream-request')).toHaveLength(1);
  });

  test('no query either: the row may be anything', async () => {
    await warm();
    await cluster.database.knex('cached_tag').where({ upstream: upstream.host }).delete();
    expect(isImage(await pull())).toBe(true);
  });

  test('check ahead: once, behind, and it confirms', async () => {
    await warm();
    cluster.clock.advance({ minutes: 50 });
    upstream.fault({ kind: 'delay', ms: 300 });
    const answers = await Promise.all(Array.from({ length: 10 }, () => pull()));
    expect(answers.every((answer) => isImage(answer) && answer.headersAfterMs < 250)).toBe(true);
    expect(answers[0]?.headers.age).toBe('3000');
    await until('the check is over', async () => (await row())?.confirmed_at.getTime() === cluster.clock.now());
    expect(asked()).toEqual(['HEAD manifest']);
    cluster.clock.advance({ minutes: 44 });
    expect((await pull()).headers.age).toBe('2640');
    expect(upstream.count()).toBe(1);
  });

  test('check ahead: not before the last quarter, and not for short intervals', async () => {
    await warm();
    cluster.clock.advance({ minutes: 44 });
    await pull();
    cluster.proxy({ checkIntervalS: 599 });
    await restart();
    upstream.reset();
    cluster.clock.advance({ days: 2 });
    await pull();
    upstream.reset();
    cluster.clock.advance({ seconds: 590 });
    await pull();
    await sleep(50);
    expect(upstream.count()).toBe(0);
  });

  test('check ahead: a tag that moved is the new one from the next pull on', async () => {
    await warm();
    upstream.move('app', 'v1', next);
    cluster.clock.advance({ minutes: 50 });
    expect(isImage(await pull())).toBe(true);
    await until('the tag has moved', async () => (await row())?.digest === next.manifest.digest);
    await until('the pull sees it', async () => isImage(await pull(), next));
    expect(asked()).toEqual(['HEAD manifest', 'GET manifest']);
  });
});

describe('stale tags', () => {
  beforeEach(async () => {
    await warm();
    cluster.clock.advance({ hours: 1 });
  });

  test('P12: are confirmed by HEAD alone', async () => {
    const answer = await pull();
    expect([isImage(answer), answer.headers.age, answer.headers['cache-status']]).toEqual([
      true,
      '0',
      'Breakwater; fwd=stale',
    ]);
    expect(asked()).toEqual(['HEAD manifest']);
    expect((await row())?.confirmed_at.getTime()).toBe(cluster.clock.now());
    expect(isImage(await pull())).toBe(true);
    expect(upstream.count()).toBe(1);
  });

  test('that moved are fetched, and the old one stays pullable by digest', async () => {
    upstream.move('app', 'v1', next);
    expect(isImage(await pull(), next)).toBe(true);
    expect(asked()).toEqual(['HEAD manifest', 'GET manifest']);
    expect((await row())?.digest).toBe(next.manifest.digest);
    expect(isImage(await pull(`/v2/acme/app/manifests/${image.manifest.digest}`))).toBe(true);
  });

  test('HEAD of a client is answered as its GET is', async () => {
    upstream.move('app', 'v1', next);
    const head = await pull(path, 'HEAD');
    expect([head.status, head.headers['docker-content-digest']]).toEqual([200, next.manifest.digest]);
  });

  test.each<readonly [string, Fault]>([
    ['F47: without a digest header', { kind: 'no-digest' }],
    ['F50: HEAD refused', { kind: 'head-refused' }],
  ])('%s they are confirmed by GET', async (_what, fault) => {
    upstream.fault(fault);
    const answer = await pull();
    expect([isImage(answer), answer.headers.warning, asked()]).toEqual([
      true,
      undefined,
      ['HEAD manifest', 'GET manifest'],
    ]);
    expect((await row())?.confirmed_at.getTime()).toBe(cluster.clock.now());
  });

  test('S15: HEAD and GET disagree: the bytes of GET count', async () => {
    upstream.fault(
      { kind: 'headers', headers: { 'Docker-Content-Digest': next.manifest.digest } },
      { match: { method: 'HEAD' } },
    );
    expect(isImage(await pull())).toBe(true);
    expect((await row())?.digest).toBe(image.manifest.digest);
  });

  const outages: readonly (readonly [string, Fault | 'dead', string])[] = [
    ['F1: refused', 'dead', 'connect'],
    ['F4: reset', { kind: 'connection', by: 'reset' }, 'connect'],
    ['F32: 500', { kind: 'status', status: 500 }, 'server_error'],
    ['F33: 503', { kind: 'status', status: 503 }, 'server_error'],
    ['F44: captive portal', { kind: 'captive-portal' }, 'protocol'],
    ['F36: 429', { kind: 'status', status: 429 }, 'rate_limited'],
    ['F70: to a private address', { kind: 'redirect', location: 'http://10.0.0.1/' }, 'blocked'],
    ['F54: 204', { kind: 'status', status: 204, body: '' }, 'protocol'],
  ];

  test.each(outages)('I2, I4: %s: served with a warning, and not confirmed', async (_what, fault, failureClass) => {
    const before = await row();
    if (fault === 'dead') await upstream.kill();
    else upstream.fault(fault);
    for (const method of ['GET', 'HEAD']) {
      const answer = await pull(path, method);
      expect(answer.status).toBe(200);
      expect(answer.headers).toMatchObject({
        age: '3600',
        warning: expect.stringMatching(
          new RegExp(
            `^299 - "127\\.0\\.0\\.1 cannot be asked \\(${failureClass}\\); serving the copy confirmed 1 h ago"$`,
          ),
        ),
        'cache-status': expect.stringContaining('hit; fwd=stale'),
        'docker-content-digest': image.manifest.digest,
      });
    }
    expect((await row())?.confirmed_at).toEqual(before?.confirmed_at);
    expect(cache.told('shielded-pull')[0]).toMatchObject({ failureClass, why: 'outage', ageMs: 3_600_000 });
    expect(cache.told('masked-error').length).toBeGreaterThan(0);
  });

  test('exactly at the end of the staleness period still, and not a millisecond later', async () => {
    await upstream.kill();
    cluster.clock.advance({ hours: 23 });
    expect((await pull()).headers.age).toBe('86400');
    cluster.clock.advance({ ms: 1 });
    expect((await pull()).status).toBe(503);
  });

  test('the staleness period raised in the middle of an outage rescues what is stored; lowered, it ends', async () => {
    await upstream.kill();
    cluster.clock.advance({ days: 3 });
    expect((await pull()).status).toBe(503);
    cluster.proxy({ stalenessPeriodS: 7 * 86_400 });
    expect(isImage(await pull())).toBe(true);
    cluster.proxy({ stalenessPeriodS: 3_600 });
    expect((await pull()).status).toBe(503);
  });

  test.each([
    ['removed', 'serveWhenRemoved', 404, 404, 'MANIFEST_UNKNOWN'],
    ['denied', 'serveWhenDenied', 403, 404, 'NAME_UNKNOWN'],
  ] as const)('%s: by the setting', async (why, setting, upstreamStatus, status, code) => {
    upstream.fault({ kind: 'status', status: upstreamStatus });
    const served = await pull();
    expect(isImage(served)).toBe(true);
    expect(served.headers.warning).toMatch(why === 'removed' ? /no longer has this tag/ : /denies access/);
    expect(cache.told('shielded-pull')).toMatchObject([{ why, failureClass: why }]);
    expect(cache.told('upstream-down')).toEqual([]);
    cluster.proxy({ [setting]: false });
    const passed = await pull();
    expect([passed.status, errorOf(passed).code, errorOf(passed).detail?.['reason']]).toEqual([status, code, why]);
    // P13: a refusal is remembered for a while.
    // What is gone is GET's to say: its body tells a repository from a tag.
    expect(asked()).toEqual(upstreamStatus === 404 ? ['HEAD manifest', 'GET manifest'] : ['HEAD manifest']);
    expect((await row())?.digest).toBe(image.manifest.digest);
  });

  test('denied with credentials is 403, which the admin must see', async () => {
    cluster.proxy({
      credentials: { username: 'robot', password: 'hunter2' },
      credentialVersion: 2,
      serveWhenDenied: false,
    });
    upstream.fault({ kind: 'status', status: 403 });
    const answer = await pull();
    expect([answer.status, errorOf(answer).code, answer.reasonPhrase]).toEqual([
      403,
      'DENIED',
      'Upstream Denied Access',
    ]);
    expect(answer.bytes.toString()).not.toContain('hunter2');
  });

  test('whose manifest the store has lost are fetched again by digest', async () => {
    manifests = new MemoryManifestStore();
    await restart();
    expect(isImage(await pull())).toBe(true);
    expect(asked()).toEqual(['HEAD manifest', 'GET manifest']);
    expect(upstream.requests.at(-1)?.reference).toBe(image.manifest.digest);
    expect(await manifests.get(repository(), image.manifest.digest)).toBeDefined();
  });

  test('I7: lost from the store while the upstream is down, it is an outage and not a 404', async () => {
    manifests = new MemoryManifestStore();
    await restart();
    await upstream.kill();
    expect((await pull()).status).toBe(503);
  });

  test('I7: a store that fails is no miss', async () => {
    await restart({
      manifests: {
        get: async () => {
          throw new Error('the disk is gone');
        },
        put: async () => undefined,
      },
    });
    expect((await pull(`/v2/acme/app/manifests/${image.manifest.digest}`)).status).toBe(500);
    expect(upstream.count()).toBe(0);
  });
});

describe('I4: confirmed_at moves forward only', () => {
  test('an answer that was asked for earlier does not take it back', async () => {
    await warm();
    cluster.clock.advance({ hours: 1 });
    const askedFirst = cluster.clock.now();
    upstream.fault({ kind: 'no-digest' }, { times: 2 });
    upstream.fault({ kind: 'delay', ms: 300 }, { match: { method: 'GET' }, times: 1 });
    const slow = pull();
    await until('the slow one is on its way', () => asked().includes('GET manifest'));
    cluster.clock.advance({ minutes: 5 });
    const other = await cluster.startCache({ manifests, blobs });
    upstream.clearFaults();
    expect((await other.get(path)).headers.age).toBe('0');
    expect(isImage(await slow)).toBe(true);
    expect((await row())?.confirmed_at.getTime()).toBe(askedFirst + 300_000);
    await other.stop();
  });

  test('uses move last_used_at, also in an outage', async () => {
    await warm();
    await upstream.kill();
    cluster.clock.advance({ hours: 2 });
    await pull();
    await cache.stop();
    expect((await row())?.last_used_at.getTime()).toBe(cluster.clock.now());
    cache = await cluster.startCache({ manifests, blobs });
  });
});

describe('absent and lapsed', () => {
  const failures: readonly (readonly [string, Fault | 'dead', number, string, string, number | undefined])[] = [
    ['F1: refused', 'dead', 503, 'UNAVAILABLE', 'connect', undefined],
    ['F32: 500', { kind: 'status', status: 500 }, 503, 'UNAVAILABLE', 'server_error', 500],
    ['F44: captive portal', { kind: 'captive-portal' }, 503, 'UNAVAILABLE', 'protocol', undefined],
    ['F3: silence', { kind: 'no-answer', by: 'stall' }, 504, 'UNAVAILABLE', 'timeout', undefined],
    ['F36: 429', { kind: 'status', status: 429 }, 429, 'TOOMANYREQUESTS', 'rate_limited', 429],
    ['F70: blocked', { kind: 'redirect', location: 'http://10.0.0.1/' }, 503, 'UNAVAILABLE', 'blocked', undefined],
    ['F49: other bytes', { kind: 'bit-flip' }, 503, 'UNAVAILABLE', 'integrity', undefined],
  ];

  test.each(failures)(
    '%s is passed on with what is known',
    async (_what, fault, status, code, reason, upstreamStatus) => {
      await restart({ deadlines: { clientBudgetMs: reason === 'timeout' ? 300 : 5_000 } });
      await warm();
      cluster.clock.advance({ days: 2 });
      upstream.move('app', 'v1', next);
      if (fault === 'dead') await upstream.kill();
      else upstream.fault(fault);
      for (const wanted of [path, '/v2/acme/app/manifests/absent-tag']) {
        if (wanted !== path) upstream.add('app', 'absent-tag', next);
        const answer = await cache.get(wanted, { headers: { 'X-Request-Id': 'request-0001' } });
        expect([answer.status, errorOf(answer).code]).toEqual([status, code]);
        expect(errorOf(answer).detail).toMatchObject({
          reason,
          request_id: 'request-0001',
          ...(upstreamStatus === undefined ? {} : { upstream_status: upstreamStatus }),
        });
        expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(reason === 'rate_limited' ? 60 : 5);
        expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(60);
        expect(answer.headers['cache-control']).toBe('no-store');
        expect(answer.bytes.toString()).not.toContain(String(upstream.port));
      }
      expect(cache.told('passed-error')).toMatchObject([{ failureClass: reason }, { failureClass: reason }]);
      // The content stays: what lapsed is there again as soon as it may be served.
      expect((await row())?.digest).toBe(image.manifest.digest);
    },
  );

  test('a staleness period of 0 never serves unconfirmed', async () => {
    cluster.proxy({ stalenessPeriodS: 0, checkIntervalS: null });
    expect(isImage(await pull())).toBe(true);
    expect(isImage(await pull())).toBe(true);
    expect(asked()).toEqual(['GET manifest', 'HEAD manifest']);
    await upstream.kill();
    expect((await pull()).status).toBe(503);
  });

  test('F41, F42: what the upstream does not have is 404, asked for once in ten seconds', async () => {
    for (let n = 0; n < 3; n += 1) {
      const answer = await pull('/v2/acme/app/manifests/none');
      expect([answer.status, errorOf(answer).code]).toEqual([404, 'MANIFEST_UNKNOWN']);
    }
    expect(upstream.count()).toBe(1);
    expect(errorOf(await pull('/v2/acme/nothing/manifests/v1')).code).toBe('NAME_UNKNOWN');
    upstream.add('app', 'none', image);
    cluster.clock.advance({ seconds: 11 });
    expect((await pull('/v2/acme/app/manifests/none')).status).toBe(200);
    expect(await cluster.database.knex('cached_tag').where({ repository: 'nothing' })).toEqual([]);
  });

  test('lapsed and the upstream is back: confirmed, and served', async () => {
    await warm();
    cluster.clock.advance({ days: 30 });
    expect(isImage(await pull())).toBe(true);
    expect(asked()).toEqual(['HEAD manifest']);
  });
});

describe('a 429 with Retry-After', () => {
  test('F35: stale is shielded, absent and lapsed wait, and nothing is asked', async () => {
    upstream.add('app', 'v2', image);
    await warm();
    cluster.clock.advance({ hours: 2 });
    upstream.fault({ kind: 'status', status: 429, headers: { 'Retry-After': '200' } }, { times: 1 });
    expect((await pull()).headers.warning).toContain('rate_limited');
    upstream.reset();
    expect((await pull()).headers.warning).toContain('rate_limited');
    const absent = await pull('/v2/acme/app/manifests/v2');
    expect([absent.status, errorOf(absent).code, absent.headers['retry-after']]).toEqual([
      429,
      'TOOMANYREQUESTS',
      '60',
    ]);
    cluster.clock.advance({ seconds: 170 });
    expect((await pull('/v2/acme/app/manifests/v2')).headers['retry-after']).toBe('30');
    cluster.proxy({ stalenessPeriodS: 3_600 });
    expect((await pull()).status).toBe(429);
    expect(upstream.count()).toBe(0);
    cluster.clock.advance({ seconds: 31 });
    expect((await pull('/v2/acme/app/manifests/v2')).status).toBe(200);
  });

  test('it binds one credential, and not the organization with another', async () => {
    cluster.proxy({ credentials: { username: 'one', password: 'x' } });
    cluster.proxy({ organization: repositoryOf('other/x').organization });
    upstream.fault({ kind: 'status', status: 429, headers: { 'Retry-After': '200' } }, { times: 1 });
    expect((await pull()).status).toBe(429);
    expect((await pull('/v2/other/app/manifests/v1')).status).toBe(200);
    expect((await pull()).status).toBe(429);
    expect(upstream.count()).toBe(2);
  });
});

describe('who may', () => {
  test.each(['PUT', 'POST', 'PATCH', 'DELETE'])('%s is refused, whoever asks (S24)', async (method) => {
    for (const wanted of [path, '/v2/acme/app/blobs/uploads/', `/v2/acme/app/blobs/${image.manifest.digest}`]) {
      for (const headers of [{}, { Authorization: 'Bearer root' }]) {
        const answer = await cache.get(wanted, {
          method,
          headers,
          ...(method === 'PUT' ? { body: 'x'.repeat(9_000) } : {}),
        });
        expect([answer.status, errorOf(answer).code, answer.headers.allow]).toEqual([405, 'UNSUPPORTED', 'GET, HEAD']);
      }
    }
    expect(upstream.count()).toBe(0);
  });

  test('nobody sees anything before the host has let them in', async () => {
    cluster.proxy({ organization: repositoryOf('private/x').organization });
    const anonymous = await pull('/v2/private/app/manifests/v1');
    expect([anonymous.status, errorOf(anonymous).code, anonymous.headers['www-authenticate']]).toEqual([
      401,
      'UNAUTHORIZED',
      'Basic realm="test"',
    ]);
    const headers = { Authorization: 'Bearer nobody' };
    const denied = await cache.get(path, { headers });
    expect([denied.status, errorOf(denied).code]).toEqual([403, 'DENIED']);
    expect((await cache.get(path, { headers: { Authorization: 'Bearer wrong' } })).status).toBe(401);
    expect((await cache.get('/v2/private/app/blobs/uploads/', { method: 'POST' })).status).toBe(401);
    expect(upstream.count()).toBe(0);
    expect((await cache.get('/v2/private/app/manifests/v1', { headers: { Authorization: 'Bearer a' } })).status).toBe(
      200,
    );
  });

  test('what is not a proxy organization goes to the host', async () => {
    for (const wanted of [
      '/v2/',
      '/v2/hosted/app/manifests/v1',
      '/v2/acme/../app/manifests/v1',
      '/other',
      '/v2/app/tags/list',
    ]) {
      expect((await pull(wanted)).status).toBe(418);
    }
    expect(upstream.count()).toBe(0);
  });

  test('S11: nothing of the client goes up, nothing of the upstream comes down', async () => {
    upstream.fault({
      kind: 'headers',
      headers: {
        'Set-Cookie': 'a=b',
        'Clear-Site-Data': '"*"',
        Location: 'http://x/',
        'RateLimit-Limit': '100',
        Server: 'up',
      },
    });
    const headers = { Cookie: 'session=1', Authorization: 'Bearer somebody', 'X-Forwarded-For': '10.0.0.1' };
    const answer = await cache.get(path, { headers });
    expect(answer.status).toBe(200);
    for (const name of ['set-cookie', 'clear-site-data', 'location', 'ratelimit-limit', 'server']) {
      expect(answer.headers[name]).toBeUndefined();
    }
    const up = upstream.requests[0]?.headers ?? {};
    expect([up.cookie, up.authorization, up['x-forwarded-for']]).toEqual([undefined, undefined, undefined]);
  });
});

describe('S26: organizations with the same repository', () => {
  test('and different upstreams do not see each other', async () => {
    const second = await startFaultUpstream();
    second.add('app', 'v1', next);
    cluster.configure(settingsFor(second.host, { organization: repositoryOf('other/x').organization }));
    expect(isImage(await pull())).toBe(true);
    expect(isImage(await pull('/v2/other/app/manifests/v1'), next)).toBe(true);
    expect((await pull(`/v2/other/app/manifests/${image.manifest.digest}`)).status).toBe(404);
    const [layer] = image.layers;
    expect((await pull(`/v2/acme/app/blobs/${layer?.digest}`)).status).toBe(200);
    expect((await pull(`/v2/other/app/blobs/${layer?.digest}`)).status).toBe(404);
    await cache.stop();
    await closeQuietly(second);
  });

  test('and the same upstream do not either', async () => {
    cluster.proxy({ organization: repositoryOf('other/x').organization });
    await warm();
    await pull('/v2/other/app/manifests/v1');
    expect(asked()).toEqual(['GET manifest']);
  });

  test('an organization that is given another upstream starts anew, and finds the old content when it goes back', async () => {
    const second = await startFaultUpstream();
    second.add('app', 'v1', next);
    await warm();
    cluster.configure(settingsFor(second.host, { credentialVersion: 2 }));
    expect(isImage(await pull(), next)).toBe(true);
    cluster.proxy({ credentialVersion: 3 });
    expect(isImage(await pull())).toBe(true);
    expect(upstream.count()).toBe(0);
    await cache.stop();
    await closeQuietly(second);
  });
});

describe('for hosts that keep their own routes', () => {
  test('a miss is filled, and what the upstream does not have is a miss', async () => {
    const { repository: proxied, digest } = { repository: repositoryOf('acme/app'), digest: image.manifest.digest };
    expect(await cache.cache.manifests.get(proxied, digest)).toMatchObject({ bytes: image.manifest.bytes });
    expect(await cache.cache.manifests.get(proxied, next.manifest.digest)).toBeUndefined();
    expect(await cache.cache.blobs.open(proxied, next.manifest.digest)).toBeUndefined();
    expect(await cache.cache.manifests.get(repositoryOf('hosted/app'), digest)).toBeUndefined();
  });

  test('an outage is an error with its answer', async () => {
    await upstream.kill();
    const getting = cache.cache.manifests.get(repositoryOf('acme/app'), next.manifest.digest);
    await expect(getting).rejects.toMatchObject({ name: 'RegistryError', code: 'UNAVAILABLE', status: 503 });
    const opening = cache.cache.blobs.open(repositoryOf('acme/app'), next.manifest.digest);
    await expect(opening).rejects.toMatchObject({ name: 'RegistryError', code: 'UNAVAILABLE', status: 503 });
  });
});
