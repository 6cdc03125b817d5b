import { setTimeout as sleep } from 'node:timers/promises';
import {
  buildImage,
  type FaultUpstream,
  movableClock,
  type Need,
  pullImage,
  rawGet,
  registryState,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
  testWith,
} from '@breakwater/test-kit';
import { afterEach, expect, test } from '@jest/globals';

// A registry over its life: restarts, a second process beside it, names of Docker Hub, who may pull.

const closing: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each[Symbol.asyncDispose]();
});

function ending<T extends AsyncDisposable>(resource: T): T {
  closing.push(resource);
  return resource;
}

async function upstreamWithImage(): Promise<FaultUpstream> {
  const upstream = ending(await startFaultUpstream());
  upstream.add('team/app', 'v1', buildImage({ seed: 1 }));
  return upstream;
}

const manifestUrl = (breakwater: TestRegistry, organization: string, tag = 'v1') =>
  `${breakwater.url}/v2/${organization}/team/app/manifests/${tag}`;

/** Tries for as long as another process may take to hear of a change, and a little longer. */
async function eventually(what: () => Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < 40; tries += 1) {
    if (await what()) return true;
    await sleep(100);
  }
  return false;
}

test('after a restart with the upstream dead it is ready without asking, and cached pulls work', async () => {
  const upstream = await upstreamWithImage();
  const state = ending(await registryState());
  const before = await startTestRegistry({ on: state });
  const organization = await before.proxyOrganization({ upstream_registry: upstream.host, check_interval_s: 0 });
  expect((await pullImage(before.url, `${organization}/team/app`, 'v1')).problems).toEqual([]);
  await before.close();
  await upstream.kill();

  const after = ending(await startTestRegistry({ on: state }));
  const asked: unknown[] = [];
  after.registry.proxyCache.events.on('upstream-request', (event) => void asked.push(event));
  expect((await rawGet(`${after.url}/readyz`)).status).toBe(200);
  expect(asked).toEqual([]);
  const pulled = await pullImage(after.url, `${organization}/team/app`, 'v1');
  expect(pulled.problems).toEqual([]);
  expect((await rawGet(manifestUrl(after, organization))).headers['warning']).toMatch(/^299 - /);
});

test('an outage that was known before a restart is known after it', async () => {
  const upstream = await upstreamWithImage();
  const state = ending(await registryState());
  const options = { on: state, clock: movableClock(Date.now()) };
  const before = await startTestRegistry(options);
  const organization = await before.proxyOrganization({ upstream_registry: upstream.host, check_interval_s: 0 });
  await rawGet(manifestUrl(before, organization));
  upstream.fault({ kind: 'status', status: 503 });
  expect((await rawGet(manifestUrl(before, organization))).headers['warning']).toContain('server_error');
  await before.close();
  upstream.reset();

  const after = ending(await startTestRegistry(options));
  expect((await rawGet(manifestUrl(after, organization))).headers['warning']).toContain('server_error');
  expect(upstream.count()).toBe(0);
});

test('what one process is told, the other knows: settings, a tag that moved, an organization that is gone', async () => {
  const upstream = await upstreamWithImage();
  const clock = movableClock(Date.now());
  const state = ending(await registryState());
  const one = ending(await startTestRegistry({ on: state, clock }));
  const two = ending(await startTestRegistry({ on: state, clock }));
  const organization = await one.proxyOrganization({ upstream_registry: upstream.host, staleness_period_s: 60 });
  const digestAt = async (registry: TestRegistry) =>
    (await rawGet(manifestUrl(registry, organization))).headers['docker-content-digest'];
  const first = await digestAt(one);
  expect(await eventually(async () => (await digestAt(two)) === first)).toBe(true);

  const moved = buildImage({ seed: 2 });
  upstream.move('team/app', 'v1', moved);
  clock.advance({ seconds: 60 });
  expect(await digestAt(one)).toBe(moved.manifest.digest);
  expect(await eventually(async () => (await digestAt(two)) === moved.manifest.digest)).toBe(true);

  await upstream.kill();
  clock.advance({ seconds: 61 });
  expect((await rawGet(manifestUrl(two, organization))).status).toBe(503);
  const path = `/api/v1/organization/${organization}/proxycache`;
  await one.api('PUT', path, { staleness_period_s: 3_600 });
  expect((await rawGet(manifestUrl(one, organization))).status).toBe(200);
  expect(await eventually(async () => (await rawGet(manifestUrl(two, organization))).status === 200)).toBe(true);

  expect((await one.api('DELETE', path)).status).toBe(201);
  expect((await rawGet(manifestUrl(one, organization))).status).toBe(401);
  expect(await eventually(async () => (await rawGet(manifestUrl(two, organization))).status === 401)).toBe(true);
});

test('another upstream host is another cache, and the first one is found again', async () => {
  const upstream = await upstreamWithImage();
  const other = ending(await startFaultUpstream());
  const breakwater = ending(await startTestRegistry());
  const organization = await breakwater.proxyOrganization({ upstream_registry: upstream.host });
  const image = await rawGet(manifestUrl(breakwater, organization));
  const path = `/api/v1/organization/${organization}/proxycache`;

  await breakwater.api('PUT', path, { upstream_registry: other.host });
  expect((await rawGet(manifestUrl(breakwater, organization))).status).toBe(404);
  const digest = String(image.headers['docker-content-digest']);
  expect((await rawGet(manifestUrl(breakwater, organization, digest))).status).toBe(404);

  await breakwater.api('DELETE', path);
  await breakwater.api('POST', path, { upstream_registry: upstream.host, insecure: true, anonymous_pull: true });
  upstream.reset();
  expect((await rawGet(manifestUrl(breakwater, organization))).sha256).toBe(image.sha256);
  expect(upstream.count()).toBe(0);
});

const LOW_PORTS: Need = { met: process.getuid?.() === 0, name: 'root to listen on port 80' };

testWith(LOW_PORTS)('docker.io is asked as registry-1.docker.io, and official images as library/', async () => {
  const hub = ending(await startFaultUpstream({ address: '127.0.0.80', port: 80, hostName: 'registry-1.docker.io' }));
  hub.add('library/nginx', 'latest', buildImage({ seed: 8 }));
  hub.add('grafana/grafana', '11', buildImage({ seed: 9 }));
  const names: string[] = [];
  const breakwater = ending(
    await startTestRegistry({
      lookup: async (name) => {
        names.push(name);
        return [{ address: '127.0.0.80', family: 4 }];
      },
    }),
  );
  const organization = await breakwater.proxyOrganization({ upstream_registry: 'docker.io' });
  expect((await pullImage(breakwater.url, `${organization}/nginx`, 'latest')).problems).toEqual([]);
  expect((await pullImage(breakwater.url, `${organization}/library/nginx`, 'latest')).problems).toEqual([]);
  expect((await pullImage(breakwater.url, `${organization}/grafana/grafana`, '11')).problems).toEqual([]);
  expect(new Set(names)).toEqual(new Set(['registry-1.docker.io']));
  expect(new Set(hub.requests.map(({ headers }) => headers['host']))).toEqual(new Set(['registry-1.docker.io']));
});

test('who may pull, and who may not', async () => {
  const upstream = await upstreamWithImage();
  const breakwater = ending(await startTestRegistry());
  const closed = await breakwater.proxyOrganization({ upstream_registry: upstream.host, anonymous_pull: false });
  const open = await breakwater.proxyOrganization({ upstream_registry: upstream.host });
  const wrong = { authorization: `Basic ${Buffer.from('admin:wrong').toString('base64')}` };
  const nobody = { authorization: `Basic ${Buffer.from(':').toString('base64')}` };

  const refused = await rawGet(manifestUrl(breakwater, closed));
  expect(refused.status).toBe(401);
  expect(refused.headers['www-authenticate']).toMatch(/^Bearer realm=/);
  expect(upstream.count()).toBe(0);
  expect((await rawGet(manifestUrl(breakwater, closed), { headers: wrong })).status).toBe(401);
  expect((await rawGet(manifestUrl(breakwater, open))).status).toBe(200);
  expect((await rawGet(manifestUrl(breakwater, open), { headers: nobody })).status).toBe(200);
  // Credentials for somewhere else count for nothing where anybody may pull.
  expect((await rawGet(manifestUrl(breakwater, open), { headers: wrong })).status).toBe(200);
  expect((await rawGet(`${breakwater.url}/v2/`)).status).toBe(401);
  expect((await breakwater.api('GET', '/v2/')).status).toBe(200);
  for (const method of ['PUT', 'POST', 'PATCH', 'DELETE']) {
    expect((await breakwater.api(method, `/v2/${open}/team/app/manifests/v1`)).status).toBe(405);
  }
  expect((await rawGet(`${breakwater.url}/v2/nosuch/team/app/manifests/v1`)).status).toBe(401);
  expect((await breakwater.api('GET', '/v2/nosuch/team/app/manifests/v1')).status).toBe(404);
  expect((await rawGet(`${breakwater.url}/v2/${open}/team/app/manifests/%2e%2e`)).status).toBe(404);
  expect((await rawGet(`${breakwater.url}/v2/${open}/TEAM/app/manifests/v1`)).status).toBe(400);
});

test('an orderly end lets the pull under way finish, and takes no new one', async () => {
  const upstream = ending(await startFaultUpstream());
  const image = buildImage({ seed: 11, layers: [400_000] });
  upstream.add('team/app', 'v1', image);
  const breakwater = ending(await startTestRegistry());
  const organization = await breakwater.proxyOrganization({ upstream_registry: upstream.host });
  const layer = image.layers[0];
  if (layer === undefined) throw new Error('the image has no layer');
  upstream.fault({ kind: 'drip', bytesPerSecond: 300_000 }, { match: { kind: 'blob' } });
  const asked = new Promise<void>((resolve) => {
    breakwater.registry.proxyCache.events.once('upstream-request', () => resolve());
  });
  const pulling = rawGet(`${breakwater.url}/v2/${organization}/team/app/blobs/${layer.digest}`);
  await asked;

  const ended = breakwater.registry.close({ acceptMs: 0, finishMs: 20_000 });
  expect(await pulling).toMatchObject({ status: 200, cut: false, sha256: layer.digest.slice('sha256:'.length) });
  await ended;
  await expect(rawGet(`${breakwater.url}/livez`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('tags are listed page by page, and in an outage not at all', async () => {
  const upstream = ending(await startFaultUpstream());
  for (const tag of ['a', 'b', 'c']) upstream.add('team/app', tag, buildImage({ seed: 1 }));
  const breakwater = ending(await startTestRegistry());
  const organization = await breakwater.proxyOrganization({ upstream_registry: upstream.host });
  const url = `${breakwater.url}/v2/${organization}/team/app/tags/list`;

  const first = await rawGet(`${url}?n=2`);
  expect(JSON.parse(first.bytes.toString())).toEqual({ name: `${organization}/team/app`, tags: ['a', 'b'] });
  const next = /^<(\/v2\/[^>]+)>; rel="next"$/.exec(String(first.headers['link']))?.[1];
  expect(JSON.parse((await rawGet(`${breakwater.url}${next}`)).bytes.toString()).tags).toEqual(['c']);
  upstream.fault({ kind: 'status', status: 500 });
  expect((await rawGet(url)).status).toBe(503);
});
