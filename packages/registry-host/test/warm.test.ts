import { setTimeout as sleep } from 'node:timers/promises';
import {
  buildImage,
  buildIndex,
  type FaultUpstream,
  type MovableClock,
  movableClock,
  pullImage,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';

// Warming: images that an administrator names are fetched before somebody pulls them, by the queue of design 5.3.

const WITHIN_MS = 15_000;

let upstream: FaultUpstream;
let breakwater: TestRegistry;
let clock: MovableClock;
let organization: string;
let path: string;

beforeAll(async () => {
  clock = movableClock(Date.now());
  breakwater = await startTestRegistry({ clock });
}, 60_000);
afterAll(() => breakwater?.close());
beforeEach(async () => {
  upstream = await startFaultUpstream();
  // Off is about what pulls lead to; what is asked for by hand is fetched all the same.
  organization = await breakwater.proxyOrganization({ upstream_registry: upstream.host, prefetch: 'off' });
  path = `/api/v1/organization/${organization}/proxycache/warm`;
});
afterEach(() => upstream?.close());

interface Progress {
  readonly finished: boolean;
  readonly counts: Readonly<Record<string, number>>;
  readonly references: readonly Readonly<Record<string, unknown>>[];
}

async function warm(body: unknown): Promise<Readonly<Record<string, unknown>>> {
  const answer = await breakwater.api('POST', path, body);
  expect([answer.status, answer.body]).toEqual([202, expect.anything()]);
  return answer.body as Readonly<Record<string, unknown>>;
}

async function progress(id: unknown): Promise<Progress> {
  const answer = await breakwater.api('GET', `${path}/${id}`);
  expect(answer.status).toBe(200);
  return answer.body as Progress;
}

async function finished(id: unknown): Promise<Progress> {
  for (const end = performance.now() + WITHIN_MS; performance.now() < end; await sleep(50)) {
    const now = await progress(id);
    if (now.finished) return now;
    // A busy process puts off what nobody waits for.
    clock.advance({ seconds: 3 });
  }
  throw new Error(`not finished: ${JSON.stringify(await progress(id))}`);
}

const pull = (image: string, reference: string) => pullImage(breakwater.url, `${organization}/${image}`, reference);
const linux = (architecture: string, variant?: string) =>
  buildImage({
    seed: `warm ${architecture}`,
    layers: [5_000],
    platform: { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) },
  });

test('what was warmed can be pulled whole in an outage, and nobody has pulled it before', async () => {
  const image = buildImage({ seed: 'warm', layers: [30_000, 10] });
  const index = buildIndex([linux('amd64'), linux('arm64', 'v8')]);
  upstream.add('team/app', 'v1', image);
  upstream.add('team/many', 'v1', index);
  upstream.add('team/pinned', undefined, buildImage({ seed: 'pinned' }));
  const pinned = buildImage({ seed: 'pinned' }).manifest.digest;
  const references = ['team/app:v1', 'team/many:v1', `team/pinned@${pinned}`];
  const { id, references: named } = await warm({ references: [...references, 'team/app:v1'] });
  expect(named).toEqual(references);
  const done = await finished(id);
  const bytes = [...image.blobs.values()].reduce((sum, blob) => sum + blob.byteLength, 0);
  expect(done.counts).toEqual({ waiting: 0, fetching: 0, done: 3, failed: 0 });
  expect(done.references[0]).toEqual({
    reference: 'team/app:v1',
    state: 'done',
    missing: 0,
    missing_bytes: 0,
    fetched_bytes: bytes,
    failure: null,
  });
  await upstream.kill();
  for (const [name, reference] of [
    ['team/app', 'v1'],
    ['team/many', 'v1'],
    ['team/pinned', pinned],
  ] as const) {
    expect((await pull(name, reference)).problems).toEqual([]);
  }
  const log = await breakwater.state.database
    .knex('proxy_cache_audit')
    .where({ organization, kind: 'proxy_cache_warm' });
  expect(log).toEqual([expect.objectContaining({ performed_by: 'admin', changes: { id, references } })]);
}, 60_000);

test('of an index only the platforms that are named', async () => {
  const index = buildIndex([linux('amd64'), linux('arm64', 'v8')]);
  upstream.add('team/many', 'v1', index);
  const [amd64, arm64] = index.images;
  const { id } = await warm({ references: ['team/many:v1'], platforms: ['linux/arm64'] });
  expect((await finished(id)).counts).toMatchObject({ done: 1 });
  const none = await warm({ references: ['team/many:v1'], platforms: ['windows/amd64'] });
  expect((await finished(none['id'])).references).toEqual([
    expect.objectContaining({
      state: 'failed',
      failure: { reason: 'no_platform', message: 'the image has none of the platforms windows/amd64' },
    }),
  ]);
  await upstream.kill();
  expect((await pull('team/many', arm64?.manifest.digest ?? '')).problems).toEqual([]);
  expect((await pull('team/many', amd64?.manifest.digest ?? '')).manifest.status).toBe(503);
}, 60_000);

test('a Kubernetes manifest: the images of the upstream are taken, the others are told of', async () => {
  upstream.add('team/app', 'v1', buildImage({ seed: 'kubernetes' }));
  const text = `
kind: Deployment
spec:
  template:
    spec:
      initContainers: [{ image: "${upstream.host}/team/app:v1" }]
      containers:
        - image: ${breakwater.host}/${organization}/team/app:v1
        - image: busybox:1.36
        - image: "{{ .Values.image }}"
`;
  const answer = await warm({ kubernetes_manifest: text });
  expect(answer).toEqual({
    id: expect.any(String),
    references: ['team/app:v1'],
    ignored: [
      { image: 'busybox:1.36', why: `it is of docker.io, not of ${upstream.host}` },
      { image: '{{ .Values.image }}', why: 'it is not the name of an image' },
    ],
  });
  expect((await finished(answer['id'])).counts).toMatchObject({ done: 1 });
});

test('what cannot be had says why; an outage only puts it off', async () => {
  const image = buildImage({ seed: 'put off', layers: [1_000] });
  upstream.add('team/app', 'v1', image);
  upstream.add('team/gone', 'v1', image);
  upstream.remove('team/gone', image.layers[0]?.digest);
  const fault = upstream.fault({ kind: 'status', status: 503 });
  const { id } = await warm({ references: ['team/app:v1', 'team/none:v1', 'team/gone:v1'] });
  await sleep(2_500);
  expect((await progress(id)).counts).toMatchObject({ waiting: 3 });
  fault.clear();
  // The end of a window is found out by a pull, since nothing is cached that could be checked.
  expect((await pull('team/app', 'v1')).problems).toEqual([]);
  clock.advance({ minutes: 1 });
  const { references } = await finished(id);
  expect(references.map(({ state, failure }) => [state, (failure as { reason: string } | null)?.reason])).toEqual([
    ['done', undefined],
    ['failed', 'removed'],
    ['failed', 'removed'],
  ]);
}, 60_000);

test('a warmed image that misses more than prefetch_max_bytes says so', async () => {
  upstream.add('team/app', 'v1', buildImage({ seed: 'too large', layers: [30_000] }));
  await breakwater.api('PUT', `/api/v1/organization/${organization}/proxycache`, { prefetch_max_bytes: 20_000 });
  const { id } = await warm({ references: ['team/app:v1'] });
  expect((await finished(id)).references).toEqual([
    expect.objectContaining({
      state: 'failed',
      failure: { reason: 'too_large', message: 'the image misses more bytes than prefetch_max_bytes allows' },
    }),
  ]);
  expect(upstream.count({ kind: 'blob' })).toBe(0);
});

test.each([
  [{}, /^references is required, or kubernetes_manifest/],
  [{ references: [] }, /^references must be at least 1/],
  [{ references: ['Team/App'] }, /^references\[0\] must be repository\[:tag\]\[@digest\] .*; it is "Team\/App"/],
  [{ references: ['quay.io/team/app'] }, /^references\[0\] must be .*; it is of quay\.io, not of 127\.0\.0\.1/],
  [{ references: ['a'], platforms: ['linux'] }, /^platforms\[0\] must be os\/architecture/],
  [{ kubernetes_manifest: 'a: [' }, /^kubernetes_manifest must be YAML or JSON: .*line 1/],
  [
    { kubernetes_manifest: 'image: nginx' },
    /^kubernetes_manifest has no image of 127\.0\.0\.1.*: nginx: it is of docker\.io/,
  ],
  [{ kubernetes_manifest: 'kind: Pod' }, /^kubernetes_manifest has no image of .*: it has no image field/],
  [{ reference: ['a'] }, /"reference" is not a field/],
])('refuses %j', async (body, said) => {
  const answer = await breakwater.api('POST', path, body);
  expect(answer.status).toBe(400);
  expect((answer.body as { detail: string }).detail).toMatch(said);
});

test('only who may write the settings warms, and nobody reads of a request that is not there', async () => {
  const anonymous = await fetch(`${breakwater.url}${path}`, { method: 'POST', body: '{}' });
  expect(anonymous.status).toBe(401);
  for (const id of ['x', '00000000-0000-4000-8000-000000000000']) {
    expect((await breakwater.api('GET', `${path}/${id}`)).status).toBe(404);
  }
  const other = await breakwater.proxyOrganization({ upstream_registry: upstream.host });
  const { id } = await warm({ references: ['team/app:v1'] });
  expect((await breakwater.api('GET', `/api/v1/organization/${other}/proxycache/warm/${id}`)).status).toBe(404);
});
