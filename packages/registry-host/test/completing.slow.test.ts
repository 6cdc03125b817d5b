import { setTimeout as sleep } from 'node:timers/promises';
import {
  type BuiltImage,
  buildImage,
  buildIndex,
  type FaultUpstream,
  type MovableClock,
  movableClock,
  pullImage,
  rawGet,
  registryState,
  skopeoCopy,
  skopeoTool,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
  testWith,
} from '@breakwater/test-kit';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';

// Design 5.3 and 5.4: a pulled image is made complete behind the pull, and a tag that moves is not torn by an outage.

const IMAGE = 'team/app';
const S = 86_400;
const C = 3_600;
const CLIENTS_FIRST = { seconds: 3 };
const WITHIN_MS = 15_000;
/** Longer than until the background has looked again. */
const A_LOOK_MS = 1_300;

let clock: MovableClock;
let breakwater: TestRegistry;
beforeAll(async () => {
  clock = movableClock(Date.now());
  breakwater = await startTestRegistry({ clock });
}, 60_000);
afterAll(() => breakwater?.close());

const closing: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each[Symbol.asyncDispose]();
});

function ending<T extends AsyncDisposable>(resource: T): T {
  closing.push(resource);
  return resource;
}

interface Site {
  readonly upstream: FaultUpstream;
  readonly clock: MovableClock;
  readonly breakwater: TestRegistry;
  readonly organization: string;
}

/** An upstream and an organization of its own for one test. */
async function site(
  settings: Readonly<Record<string, unknown>> = {},
  registry: TestRegistry = breakwater,
): Promise<Site> {
  const upstream = ending(await startFaultUpstream());
  const organization = await registry.proxyOrganization({
    upstream_registry: upstream.host,
    staleness_period_s: S,
    check_interval_s: C,
    prefetch: 'image',
    ...settings,
  });
  return { upstream, clock, breakwater: registry, organization };
}

const repositoryUrl = ({ breakwater, organization }: Site) => `${breakwater.url}/v2/${organization}/${IMAGE}`;
const getManifest = (at: Site, reference = 'v1', method = 'GET') =>
  rawGet(`${repositoryUrl(at)}/manifests/${reference}`, { method });
const getBlob = (at: Site, digest: string) => rawGet(`${repositoryUrl(at)}/blobs/${digest}`);
const pull = (at: Site, reference = 'v1') => pullImage(at.breakwater.url, `${at.organization}/${IMAGE}`, reference);

/** Pulls the manifest, the config and the layers that are not skipped. */
async function pullWithout(at: Site, image: BuiltImage, skipped: readonly number[]): Promise<void> {
  expect((await getManifest(at)).status).toBe(200);
  const wanted = [image.config, ...image.layers.filter((_layer, index) => !skipped.includes(index))];
  for (const { digest } of wanted) expect((await getBlob(at, digest)).status).toBe(200);
}

interface MissingRow {
  readonly digest: string;
  readonly state: string;
  readonly attempts: number;
  readonly lease_owner: string | null;
}

const knexOf = (at: Site) => at.breakwater.state.database.knex;

async function missing(at: Site): Promise<readonly MissingRow[]> {
  return knexOf(at)('missing_content').where({ organization: at.organization }).orderBy('digest');
}

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  for (const end = performance.now() + WITHIN_MS; performance.now() < end; await sleep(20)) if (await holds()) return;
  throw new Error(`${what}: not within ${WITHIN_MS} ms`);
}

/** Pulls the whole image, and waits until it is stored: clients have it before that. */
async function pullWhole(at: Site, content: BuiltImage, reference = 'v1'): Promise<void> {
  expect((await pull(at, reference)).problems).toEqual([]);
  await until('the image is stored', async () => {
    const stored = await knexOf(at)('content_link')
      .where({ organization: at.organization, kind: 'blob' })
      .pluck('digest');
    return [...content.blobs.keys()].every((digest) => stored.includes(digest));
  });
}

/** Lets time pass until the background is done. */
const complete = (at: Site) =>
  until('nothing is missing', async () => {
    at.clock.advance(CLIENTS_FIRST);
    await sleep(50);
    return (await missing(at)).length === 0;
  });
/** Looks run behind the pull. */
const noted = (at: Site, count: number) =>
  until(`${count} are missing`, async () => (await missing(at)).length === count);

const image = buildImage({ seed: 'completing', layers: [50_000, 20_000, 3_000] });
const next = buildImage({ seed: 'completing, moved', layers: [40_000, 10_000] });

testWith(skopeoTool())(
  'a layer that the first client skipped is fetched behind it, and an outage finds the image whole',
  async () => {
    const at = await site();
    at.upstream.add(IMAGE, 'v1', image);
    await pullWithout(at, image, [0]);
    await noted(at, 1);
    expect(at.upstream.count({ kind: 'blob', reference: image.layers[0]?.digest ?? '' })).toBe(0);
    at.clock.advance(CLIENTS_FIRST);
    await complete(at);
    expect(at.upstream.count({ kind: 'blob', reference: image.layers[0]?.digest ?? '' })).toBe(1);
    await at.upstream.kill();
    const from = `docker://${at.breakwater.host}/${at.organization}/${IMAGE}:v1`;
    await using copy = await skopeoCopy({ from });
    expect([copy.exitCode, copy.differencesFrom(image)]).toEqual([0, []]);
  },
  60_000,
);

test('with prefetch off the same pull fails with 503, and nothing was fetched behind it', async () => {
  const at = await site({ prefetch: 'off' });
  at.upstream.add(IMAGE, 'v1', image);
  await pullWithout(at, image, [0]);
  at.clock.advance(CLIENTS_FIRST);
  await sleep(A_LOOK_MS);
  expect(await missing(at)).toEqual([]);
  expect(at.upstream.count({ kind: 'blob', reference: image.layers[0]?.digest ?? '' })).toBe(0);
  await at.upstream.kill();
  const { problems } = await pull(at);
  expect(problems).toEqual([expect.stringContaining(`blob ${image.layers[0]?.digest}: 503`)]);
});

test('HEAD is no pull of an image: nothing is fetched behind it', async () => {
  const at = await site();
  at.upstream.add(IMAGE, 'v1', image);
  expect((await getManifest(at, 'v1', 'HEAD')).status).toBe(200);
  at.clock.advance(CLIENTS_FIRST);
  await sleep(A_LOOK_MS);
  expect([await missing(at), at.upstream.count({ kind: 'blob' })]).toEqual([[], 0]);
});

for (const prefetch of ['image', 'off']) {
  test(`prefetch ${prefetch}: a moved tag whose layers cannot be had is answered with the previous image, whole`, async () => {
    const at = await site({ prefetch });
    at.upstream.add(IMAGE, 'v1', image);
    await pullWhole(at, image);
    at.upstream.move(IMAGE, 'v1', next);
    at.clock.advance({ seconds: C });
    const moved = await getManifest(at);
    expect(moved.headers['docker-content-digest']).toBe(next.manifest.digest);
    await at.upstream.kill();
    // Noticed by whoever wants a layer.
    expect((await getBlob(at, next.layers[0]?.digest ?? '')).status).toBe(503);

    const torn = await pull(at);
    expect(torn.problems).toEqual([]);
    expect(torn.manifest.headers['docker-content-digest']).toBe(image.manifest.digest);
    expect(torn.manifest.headers['warning']).toMatch(
      /^299 - "the newest image of this tag cannot be fetched whole from 127\.0\.0\.1 \(connect\); serving the image before it, confirmed 1 h ago"$/,
    );
    expect(torn.manifest.headers['age']).toBe(String(C));
    expect((await getManifest(at, 'v1', 'HEAD')).headers['docker-content-digest']).toBe(image.manifest.digest);
    // Both are there by their digests.
    for (const { manifest } of [image, next]) expect((await getManifest(at, manifest.digest)).status).toBe(200);

    await at.upstream.revive();
    at.clock.advance({ minutes: 6 });
    await until('the new image is answered', async () => {
      const { headers } = await getManifest(at);
      return headers['docker-content-digest'] === next.manifest.digest && headers['warning'] === undefined;
    });
    expect((await pull(at)).problems).toEqual([]);
    await complete(at);
    await until('the previous image is dropped', async () => {
      await getManifest(at);
      const row = await knexOf(at)('cached_tag').where({ organization: at.organization }).first();
      return row.previous_digest === null;
    });
  }, 60_000);
}

test('after a previous image of its own age has lapsed, the current one is answered', async () => {
  const at = await site({ staleness_period_s: 7_200 });
  at.upstream.add(IMAGE, 'v1', image);
  await pullWhole(at, image);
  at.upstream.move(IMAGE, 'v1', next);
  at.clock.advance({ seconds: C });
  expect((await getManifest(at)).headers['docker-content-digest']).toBe(next.manifest.digest);
  await at.upstream.kill();
  expect((await getBlob(at, next.layers[0]?.digest ?? '')).status).toBe(503);
  expect((await getManifest(at)).headers['docker-content-digest']).toBe(image.manifest.digest);
  at.clock.advance({ seconds: 3_600, ms: 1 });
  expect((await getManifest(at)).headers['docker-content-digest']).toBe(next.manifest.digest);
  expect(await knexOf(at)('cached_tag').where({ organization: at.organization })).toEqual([
    expect.objectContaining({ previous_digest: null }),
  ]);
  // Once the newer one has lapsed, too, nothing is left that may be served.
  at.clock.advance({ seconds: 7_200 });
  expect((await getManifest(at)).status).toBe(503);
});

describe('a previous image is not given away by what was forgotten', () => {
  const DAY_S = 86_400;

  async function torn(at: Site): Promise<void> {
    at.upstream.add(IMAGE, 'v1', image);
    await pullWhole(at, image);
    at.upstream.move(IMAGE, 'v1', next);
    at.clock.advance({ seconds: C });
    expect((await getManifest(at)).headers['docker-content-digest']).toBe(next.manifest.digest);
    await at.upstream.kill();
    expect((await getBlob(at, next.layers[0]?.digest ?? '')).status).toBe(503);
  }

  test('what it misses is known after a month of outage', async () => {
    const state = ending(await registryState());
    const settings = { staleness_period_s: 60 * DAY_S };
    const at = await site(settings, ending(await startTestRegistry({ on: state, clock })));
    await torn(at);
    const noted = await missing(at);
    const [row] = await knexOf(at)('missing_content').where({ organization: at.organization });
    const unwanted = () => state.database.knex('missing_content').where({ repository: 'nobody/wants' });
    await unwanted().insert({ ...row, repository: 'nobody/wants' });
    await at.breakwater.close();
    at.clock.advance({ seconds: 31 * DAY_S });
    // What is old is forgotten at the start.
    const again = { ...at, breakwater: ending(await startTestRegistry({ on: state, clock })) };
    await until('it was looked through', async () => (await unwanted()).length === 0);
    expect(await missing(again)).toEqual(noted.map((each) => expect.objectContaining({ digest: each.digest })));
    const { problems, manifest } = await pull(again);
    expect([problems, manifest.headers['docker-content-digest']]).toEqual([[], image.manifest.digest]);
  }, 60_000);

  test('the store is asked before it goes', async () => {
    const at = await site();
    await torn(at);
    const noted = await missing(at);
    await knexOf(at)('missing_content').where({ organization: at.organization }).delete();
    const { problems, manifest } = await pull(at);
    expect([problems, manifest.headers['docker-content-digest']]).toEqual([[], image.manifest.digest]);
    expect((await missing(at)).map(({ digest }) => digest)).toEqual(noted.map(({ digest }) => digest));
  }, 60_000);
});

test('blobs that cannot be had while manifests can: the previous image, until they can', async () => {
  const at = await site();
  at.upstream.add(IMAGE, 'v1', image);
  await pullWhole(at, image);
  at.upstream.move(IMAGE, 'v1', next);
  const broken = at.upstream.fault({ kind: 'status', status: 500 }, { match: { kind: 'blob' } });
  at.clock.advance({ seconds: C });
  expect((await getManifest(at)).headers['docker-content-digest']).toBe(next.manifest.digest);
  at.clock.advance(CLIENTS_FIRST);
  await until('the background has tried', async () => (await missing(at)).some(({ attempts }) => attempts > 0));
  // The registry itself is found to be back again and again, and its blobs never are.
  let timesUp = 0;
  for (let n = 0; n < 10; n += 1) {
    at.clock.advance({ seconds: 10 });
    const { body } = await at.breakwater.api('GET', `/api/v1/organization/${at.organization}/proxycache/health`);
    timesUp += Number((body as { status: string }).status === 'up');
    const torn = await pull(at);
    expect(torn.problems).toEqual([]);
    expect(torn.manifest.headers['docker-content-digest']).toBe(image.manifest.digest);
    await sleep(200);
  }
  expect(timesUp).toBeGreaterThan(0);
  broken.clear();
  await complete(at);
  const whole = await pull(at);
  expect([whole.problems, whole.manifest.headers['docker-content-digest']]).toEqual([[], next.manifest.digest]);
}, 60_000);

for (const prefetch of ['image', 'off']) {
  test(`prefetch ${prefetch}: a content server that is down: the previous image, and it is found to be back without a client`, async () => {
    const at = await site({ prefetch });
    at.upstream.redirectBlobsTo();
    at.upstream.add(IMAGE, 'v1', image);
    await pullWhole(at, image);
    at.upstream.move(IMAGE, 'v1', next);
    await at.upstream.kill('cdn');
    at.clock.advance({ seconds: C });
    expect((await getManifest(at)).headers['docker-content-digest']).toBe(next.manifest.digest);
    if (prefetch === 'off') {
      // A client meets it.
      expect((await getBlob(at, next.layers[0]?.digest ?? '')).status).toBe(503);
      const failedAt = () =>
        knexOf(at)('missing_content').where({ organization: at.organization }).pluck('failed_origin');
      await until('that is noted', async () => (await failedAt()).includes(at.upstream.origins.cdn));
    } else {
      at.clock.advance(CLIENTS_FIRST);
      await until('the background has tried', async () => (await missing(at)).every(({ attempts }) => attempts > 0));
    }
    // Longer than the attempt itself counts: the health of the content server does.
    at.clock.advance({ minutes: 10 });
    const torn = await pull(at);
    expect([torn.problems, torn.manifest.headers['docker-content-digest']]).toEqual([[], image.manifest.digest]);
    expect(torn.manifest.headers['warning']).toContain('connect');
    await at.upstream.revive('cdn');
    await until('the new image is answered', async () => {
      at.clock.advance(CLIENTS_FIRST);
      return (await getManifest(at)).headers['docker-content-digest'] === next.manifest.digest;
    });
    if (prefetch === 'image') await complete(at);
    const whole = await pull(at);
    expect([whole.problems, whole.manifest.headers['docker-content-digest']]).toEqual([[], next.manifest.digest]);
  }, 60_000);
}

test('F63: a blob of the new image is not there: the previous image throughout, and the new one once it is', async () => {
  const at = await site();
  at.upstream.add(IMAGE, 'v1', image);
  await pullWhole(at, image);
  at.upstream.move(IMAGE, 'v1', next);
  const layer = next.layers[0]?.digest ?? '';
  const gone = at.upstream.fault({ kind: 'status', status: 404 }, { match: { kind: 'blob', reference: layer } });
  at.clock.advance({ seconds: C });
  expect((await getManifest(at)).headers['docker-content-digest']).toBe(next.manifest.digest);
  const told: unknown[] = [];
  at.breakwater.registry.proxyCache.events.on('prefetch-failed', (event) => void told.push(event));
  const rowOf = async () => (await missing(at)).find(({ digest }) => digest === layer);
  at.clock.advance(CLIENTS_FIRST);
  await until('it was given up', async () => (await rowOf())?.state === 'given_up');
  let attempts = 1;
  // Also after a while in which nobody pulls it.
  for (const minutes of [2, 2, 2, 2, 2, 2, 10, 10, 60]) {
    at.clock.advance({ minutes });
    const torn = await pull(at);
    expect([torn.problems, torn.manifest.headers['docker-content-digest']]).toEqual([[], image.manifest.digest]);
    // What is tried again comes to its end before the next pull.
    await until('nothing waits', async () => (await rowOf())?.state === 'given_up');
    attempts = (await rowOf())?.attempts ?? 0;
  }
  // Every six minutes, for it is looked at every two, and once after each while.
  expect([attempts, told.length]).toEqual([6, 1]);

  gone.clear();
  at.clock.advance({ minutes: 6 });
  await getManifest(at);
  await until('the new image is answered', async () => {
    return (await getManifest(at)).headers['docker-content-digest'] === next.manifest.digest;
  });
  expect((await pull(at)).problems).toEqual([]);
}, 60_000);

test('prefetch off: what a moved tag misses is noted, and left to clients', async () => {
  const at = await site({ prefetch: 'off' });
  at.upstream.add(IMAGE, 'v1', image);
  await pullWhole(at, image);
  at.upstream.move(IMAGE, 'v1', next);
  at.clock.advance({ seconds: C });
  expect((await getManifest(at)).status).toBe(200);
  expect((await missing(at)).length).toBe(next.blobs.size);
  at.upstream.reset();
  at.clock.advance(CLIENTS_FIRST);
  await sleep(A_LOOK_MS);
  expect(at.upstream.count({ kind: 'blob' })).toBe(0);
  await pullWhole(at, next);
  // That the last of it is there is noted behind the answer.
  await complete(at);
});

const linux = (architecture: string, seed: string) =>
  buildImage({ seed: `${seed} ${architecture}`, layers: [9_000], platform: { os: 'linux', architecture } });

test('an index that moves: the platforms that were complete are completed, and only they', async () => {
  const at = await site();
  const old = buildIndex([linux('amd64', 'old'), linux('arm64', 'old'), linux('s390x', 'old')]);
  const moved = buildIndex([linux('amd64', 'new'), linux('arm64', 'new'), linux('riscv64', 'new')]);
  at.upstream.add(IMAGE, 'v1', old);
  expect((await getManifest(at)).status).toBe(200);
  const [amd64, , unlisted] = old.images;
  if (amd64 === undefined || unlisted === undefined) throw new Error('the index has three images');
  for (const each of [amd64, unlisted]) await pullWhole(at, each, each.manifest.digest);
  at.upstream.move(IMAGE, 'v1', moved);
  at.clock.advance({ seconds: C });
  expect((await getManifest(at)).headers['docker-content-digest']).toBe(moved.manifest.digest);
  await at.upstream.kill();
  expect((await getManifest(at, moved.images[0]?.manifest.digest)).status).toBe(503);
  expect((await getManifest(at)).headers['docker-content-digest']).toBe(old.manifest.digest);
  expect((await pull(at, amd64.manifest.digest)).problems).toEqual([]);

  await at.upstream.revive();
  at.clock.advance({ minutes: 6 });
  await complete(at);
  expect((await getManifest(at)).headers['docker-content-digest']).toBe(moved.manifest.digest);
  await at.upstream.kill();
  expect((await pull(at, moved.images[0]?.manifest.digest)).problems).toEqual([]);
  for (const other of moved.images.slice(1)) expect((await getManifest(at, other.manifest.digest)).status).toBe(503);
}, 60_000);

test('an index that moves: what describes its images keeps none of them incomplete', async () => {
  const at = await site();
  const attested = (seed: string) => {
    const platform = { os: 'unknown', architecture: 'unknown' };
    return buildIndex([linux('amd64', seed), buildImage({ seed: `${seed}, attestation`, layers: [500], platform })]);
  };
  const [old, moved] = [attested('old'), attested('new')];
  at.upstream.add(IMAGE, 'v1', old);
  expect((await getManifest(at)).status).toBe(200);
  for (const each of old.images) await pullWhole(at, each, each.manifest.digest);
  at.upstream.move(IMAGE, 'v1', moved);
  at.clock.advance({ seconds: C });
  expect((await getManifest(at)).headers['docker-content-digest']).toBe(moved.manifest.digest);
  // Somebody asks for half of it.
  const [, attestation] = moved.images;
  at.upstream.fault(
    { kind: 'status', status: 404 },
    { match: { kind: 'blob', reference: attestation?.config.digest ?? '' } },
  );
  expect((await getManifest(at, attestation?.manifest.digest)).status).toBe(200);
  await until('the image is whole', async () => {
    at.clock.advance(CLIENTS_FIRST);
    await sleep(50);
    const rows = await missing(at);
    return rows.length === 1 && rows[0]?.digest === attestation?.config.digest;
  });
  await at.upstream.kill();
  expect((await getManifest(at)).headers['docker-content-digest']).toBe(moved.manifest.digest);
  expect(await knexOf(at)('cached_tag').where({ organization: at.organization }).first()).toMatchObject({
    previous_digest: null,
  });
}, 60_000);

test('a tag that moves twice before it is complete keeps the last complete image, and its platforms', async () => {
  const at = await site();
  const first = buildIndex([linux('amd64', 'first'), linux('arm64', 'first')]);
  const second = buildIndex([linux('amd64', 'second'), linux('arm64', 'second')]);
  const third = buildIndex([linux('amd64', 'third'), linux('arm64', 'third')]);
  at.upstream.add(IMAGE, 'v1', first);
  expect((await getManifest(at)).status).toBe(200);
  const [amd64] = first.images;
  if (amd64 === undefined) throw new Error('the index has images');
  await pullWhole(at, amd64, amd64.manifest.digest);
  // The children of the newer ones cannot be had at all.
  at.upstream.fault({ kind: 'status', status: 404 }, { match: { path: /manifests\/sha256/ } });
  for (const newer of [second, third]) {
    at.upstream.move(IMAGE, 'v1', newer);
    at.clock.advance({ seconds: C });
    expect((await getManifest(at, 'v1', 'HEAD')).headers['docker-content-digest']).toBe(newer.manifest.digest);
  }
  await at.upstream.kill();
  expect((await getManifest(at, third.images[0]?.manifest.digest)).status).toBe(503);
  const torn = await getManifest(at);
  expect(torn.headers['docker-content-digest']).toBe(first.manifest.digest);
  expect(torn.headers['age']).toBe(String(2 * C));
}, 60_000);

test('all_platforms: a pull of an index leaves every platform behind it', async () => {
  const at = await site({ prefetch: 'all_platforms' });
  const index = buildIndex([linux('amd64', 'all'), linux('arm64', 'all')]);
  at.upstream.add(IMAGE, 'v1', index);
  expect((await getManifest(at)).status).toBe(200);
  await noted(at, 2);
  await complete(at);
  await at.upstream.kill();
  expect((await pull(at)).problems).toEqual([]);
}, 60_000);

test('an image that is larger than prefetch_max_bytes is left to clients, and that is told', async () => {
  const at = await site({ prefetch_max_bytes: 60_000 });
  const told: unknown[] = [];
  at.breakwater.registry.proxyCache.events.on('prefetch-limited', (event) => void told.push(event));
  at.upstream.add(IMAGE, 'v1', image);
  expect((await getManifest(at)).status).toBe(200);
  await noted(at, 4);
  expect(new Set((await missing(at)).map(({ state }) => state))).toEqual(new Set(['too_large']));
  const bytes = [...image.blobs.values()].reduce((sum, blob) => sum + blob.byteLength, 0);
  expect(told).toEqual([
    { organization: at.organization, repository: IMAGE, reference: image.manifest.digest, bytes, maxBytes: 60_000 },
  ]);
  at.clock.advance(CLIENTS_FIRST);
  await sleep(A_LOOK_MS);
  expect(at.upstream.count({ kind: 'blob' })).toBe(0);
  const { bytes: metrics } = await rawGet(`${at.breakwater.url}/metrics`);
  expect(metrics.toString()).toContain('breakwater_prefetch_limited_total 1');
});

test('a restart in the middle of the queue goes on, after a clean end and after a kill', async () => {
  const state = ending(await registryState());
  const at = await site({}, ending(await startTestRegistry({ on: state, clock })));
  at.upstream.add(IMAGE, 'v1', image);
  at.upstream.fault({ kind: 'drip', bytesPerSecond: 1_000 }, { match: { kind: 'blob' } });
  expect((await getManifest(at)).status).toBe(200);
  await noted(at, 4);
  at.clock.advance(CLIENTS_FIRST);
  await until('some are claimed', async () => (await missing(at)).some(({ lease_owner }) => lease_owner !== null));
  await at.breakwater.close();
  const left = await missing(at);
  expect(left.length).toBeGreaterThan(0);
  // That we have ended says nothing about the upstream.
  expect(await state.database.knex('upstream_health').whereNotNull('down_since')).toEqual([]);
  expect(left.filter(({ lease_owner }) => lease_owner !== null)).toEqual([]);

  // As a process that was killed leaves it: claimed by nobody that is left.
  await state.database.knex('missing_content').update({
    lease_owner: 'a process that is gone',
    leased_until: new Date(at.clock.now() + 30_000),
  });
  at.upstream.clearFaults();
  const again = { ...at, breakwater: ending(await startTestRegistry({ on: state, clock })) };
  await sleep(2 * A_LOOK_MS);
  expect((await missing(again)).length).toBe(left.length);
  at.clock.advance({ seconds: 31 });
  await complete(again);
  await at.upstream.kill();
  expect((await pull(again)).problems).toEqual([]);
}, 60_000);

for (const [what, begin] of [
  ['an outage', (at: Site) => at.upstream.fault({ kind: 'status', status: 503 })],
  [
    'a low rate limit',
    (at: Site) =>
      at.upstream.fault({
        kind: 'headers',
        headers: { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '5;w=21600' },
      }),
  ],
] as const) {
  test(`${what} pauses the queue: nothing is asked for in the background`, async () => {
    const at = await site();
    at.upstream.add(IMAGE, 'v1', image);
    at.upstream.add('team/other', 'v1', next);
    expect((await getManifest(at)).status).toBe(200);
    await noted(at, 4);
    // Whatever says so is another pull's answer.
    const fault = begin(at);
    await rawGet(`${at.breakwater.url}/v2/${at.organization}/team/other/manifests/v1`);
    at.upstream.reset();
    at.clock.advance(CLIENTS_FIRST);
    await sleep(A_LOOK_MS);
    expect(at.upstream.count({ kind: 'blob' })).toBe(0);
    expect((await missing(at)).length).toBeGreaterThanOrEqual(4);
    fault.clear();
    await rawGet(`${at.breakwater.url}/v2/${at.organization}/team/other/manifests/${next.manifest.digest}`);
    at.clock.advance({ hours: 7 });
    await complete(at);
  }, 60_000);
}

test('garbage collection leaves the previous image while it may be needed, and takes it afterwards', async () => {
  const at = await site({ prefetch: 'off', expiration_s: 60 });
  at.upstream.add(IMAGE, 'v1', image);
  await pullWhole(at, image);
  at.upstream.move(IMAGE, 'v1', next);
  at.clock.advance({ seconds: C });
  expect((await getManifest(at)).headers['docker-content-digest']).toBe(next.manifest.digest);
  // Past the grace of everything that was pulled.
  at.clock.advance({ hours: 2 });
  await at.breakwater.registry.gc.runOnce();
  await at.upstream.kill();
  expect((await getBlob(at, next.layers[0]?.digest ?? '')).status).toBe(503);
  const torn = await pull(at);
  expect([torn.problems, torn.manifest.headers['docker-content-digest']]).toEqual([[], image.manifest.digest]);

  await at.upstream.revive();
  at.clock.advance({ minutes: 6 });
  await until('the new image is answered', async () => {
    return (await getManifest(at)).headers['docker-content-digest'] === next.manifest.digest;
  });
  await pullWhole(at, next);
  expect((await getManifest(at)).headers['docker-content-digest']).toBe(next.manifest.digest);
  at.clock.advance({ hours: 2 });
  await at.breakwater.registry.gc.runOnce();
  const links = await knexOf(at)('content_link').where({ organization: at.organization }).pluck('digest');
  expect(new Set(links)).toEqual(new Set([next.manifest.digest, ...next.blobs.keys()]));
}, 60_000);
