import {
  buildImage,
  buildIndex,
  type FaultUpstream,
  movableClock,
  pullImage,
  rawGet,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';

// What administrators see of a cache and do to it: the list of cached tags, asking now, pins, purges, and their log.

const HOUR = 3_600;
const clock = movableClock(Date.UTC(2024, 1, 29, 13, 0, 0));
let breakwater: TestRegistry;
let upstream: FaultUpstream;
let organization: string;

beforeAll(async () => {
  breakwater = await startTestRegistry({
    clock,
    deadlines: { checkBudgetMs: 300, clientBudgetMs: 10_000, headersMs: 5_000 },
  });
});
afterAll(() => breakwater?.close());
beforeEach(async () => {
  await upstream?.close();
  upstream = await startFaultUpstream({ clock });
  organization = await breakwater.proxyOrganization({
    upstream_registry: upstream.host,
    check_interval_s: HOUR,
    staleness_period_s: 3 * HOUR,
    expiration_s: 24 * HOUR,
  });
});
afterAll(() => upstream?.close());

interface Tag {
  readonly reference: string;
  readonly digest: string;
  readonly size: number | null;
  readonly state: string;
  readonly pinned: boolean;
  readonly complete: boolean | null;
}
interface Page {
  readonly tags: readonly Tag[];
  readonly total: number;
  readonly next_page?: string;
}
interface Purge {
  readonly purge_id: string;
  readonly tags: number;
  readonly references: readonly string[];
  readonly pinned_kept: number;
  readonly changed_kept: number;
  readonly bytes_freed: number | null;
  readonly bytes_shared: number | null;
  readonly upstream_down: boolean;
}

const home = () => `/api/v1/organization/${organization}/proxycache`;
const list = async (query = '') => (await breakwater.api('GET', `${home()}/tags${query}`)).body as Page;
const names = (page: Page) => page.tags.map(({ reference }) => reference);
const act = async <T>(what: string, body: unknown) => {
  const answer = await breakwater.api('POST', `${home()}/${what}`, body);
  expect(answer).toMatchObject({ status: 200 });
  return answer.body as T;
};
const pull = async (name: string, tag: string) => {
  expect((await pullImage(breakwater.url, `${organization}/${name}`, tag)).problems).toEqual([]);
};
const iso = (ms: number) => new Date(ms).toISOString();
/** Writes what is noted of uses, as happens every five seconds. */
const settle = async () => {
  await breakwater.api('POST', `${home()}/purge`, { tag: 'no/such:tag' });
};

test('a cached tag shows what is left of each clock', async () => {
  const image = buildImage({ seed: 1, layers: [1_000, 2_000] });
  upstream.add('team/app', 'v1', image);
  const start = clock.now();
  await pull('team/app', 'v1');
  clock.advance({ seconds: HOUR + 1 });
  await settle();
  const size =
    image.manifest.bytes.byteLength + [...image.blobs.values()].reduce((sum, each) => sum + each.byteLength, 0);
  expect(await list()).toEqual({
    tags: [
      {
        reference: 'team/app:v1',
        repository: 'team/app',
        tag: 'v1',
        digest: image.manifest.digest,
        size,
        state: 'stale',
        age_s: HOUR + 1,
        confirmed_at: iso(start),
        fresh_until: iso(start + HOUR * 1000),
        shielded_until: iso(start + 3 * HOUR * 1000),
        last_pull: iso(start),
        kept_until: iso(start + 24 * HOUR * 1000),
        complete: null,
        pinned: false,
      },
    ],
    total: 1,
    counted_up_to: 10_000,
  });
  await breakwater.api('PUT', home(), { expiration_s: 0, staleness_period_s: 0, check_interval_s: null });
  expect((await list()).tags[0]).toMatchObject({ state: 'lapsed', shielded_until: null, kept_until: null });
});

test('of an index the platforms that were pulled count', async () => {
  const one = buildImage({ seed: 2, layers: [5_000] });
  const index = buildIndex([one, buildImage({ seed: 3, platform: { os: 'linux', architecture: 'arm64' } })]);
  upstream.add('team/app', 'multi', index);
  const url = `${breakwater.url}/v2/${organization}/team/app/manifests`;
  await rawGet(`${url}/multi`);
  const before = (await list()).tags[0]?.size ?? 0;
  await rawGet(`${url}/${one.manifest.digest}`);
  expect(((await list()).tags[0]?.size ?? 0) - before).toBeGreaterThan(5_000);
});

test('what the upstream does not give makes an image incomplete until it does', async () => {
  await breakwater.api('PUT', home(), { prefetch: 'image' });
  upstream.add('team/app', 'v1', buildImage({ seed: 4 }));
  const broken = upstream.fault({ kind: 'status', status: 503 }, { match: { kind: 'blob' } });
  await rawGet(`${breakwater.url}/v2/${organization}/team/app/manifests/v1`);
  const complete = async (expected: boolean) => {
    for (let tries = 0; tries < 200; tries += 1) {
      const [tag] = (await list()).tags;
      if (tag?.complete === expected) return true;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return false;
  };
  expect(await complete(false)).toBe(true);
  broken.clear();
  await pull('team/app', 'v1');
  expect(await complete(true)).toBe(true);
});

test('search, sort, state and pages', async () => {
  const start = clock.now();
  for (const [at, name] of ['b/two', 'a/one', 'c/three'].entries()) {
    for (const tag of ['v1', '100%_x'.replaceAll('%', '')]) {
      upstream.add(name, tag, buildImage({ seed: 10 + at }));
      await rawGet(`${breakwater.url}/v2/${organization}/${name}/manifests/${tag}`);
      clock.advance({ minutes: 1 });
    }
  }
  await settle();
  const all = ['a/one:100_x', 'a/one:v1', 'b/two:100_x', 'b/two:v1', 'c/three:100_x', 'c/three:v1'];
  expect(names(await list())).toEqual(all);
  expect(names(await list('?order=desc'))).toEqual([...all].reverse());
  const byTime = ['b/two:v1', 'b/two:100_x', 'a/one:v1', 'a/one:100_x', 'c/three:v1', 'c/three:100_x'];
  expect(names(await list('?sort=confirmed&order=asc'))).toEqual(byTime);
  expect(names(await list('?sort=last_pull'))).toEqual([...byTime].reverse());
  expect(names(await list('?search=ONE'))).toEqual(['a/one:100_x', 'a/one:v1']);
  expect(names(await list('?search=two:v'))).toEqual(['b/two:v1']);
  // Not a pattern.
  expect(await list('?search=%25')).toMatchObject({ tags: [], total: 0 });
  expect(names(await list('?search=100_'))).toHaveLength(3);

  for (const order of ['', '&sort=confirmed', '&sort=last_pull&order=asc', '&order=desc&search=v1']) {
    const found: string[] = [];
    let token = '';
    do {
      const page = await list(`?limit=2${order}${token}`);
      expect(page.total).toBe(order.includes('search') ? 3 : 6);
      found.push(...names(page));
      token = page.next_page === undefined ? '' : `&next_page=${page.next_page}`;
    } while (token !== '');
    expect(found).toEqual(names(await list(`?limit=100${order}`)));
  }
  const { next_page } = await list('?limit=2');
  for (const query of [
    `sort=confirmed&next_page=${next_page}`,
    'limit=101',
    'sort=size',
    'state=old',
    'serach=x',
    'next_page=x',
  ]) {
    expect((await breakwater.api('GET', `${home()}/tags?${query}`)).status).toBe(400);
  }

  // The first was confirmed six minutes before now; so the states part between the tags.
  clock.advance({ seconds: HOUR - 3 * 60 });
  expect(names(await list('?state=fresh&sort=confirmed&order=asc'))).toEqual(byTime.slice(4));
  expect(names(await list('?state=stale&sort=confirmed&order=asc'))).toEqual(byTime.slice(0, 4));
  clock.set(start + 3 * HOUR * 1000 + 60_000);
  expect(names(await list('?state=lapsed'))).toEqual([byTime[0]]);
  expect((await list()).tags.filter(({ state }) => state === 'lapsed').map(({ reference }) => reference)).toEqual([
    byTime[0],
  ]);
});

test('asking how the upstream is, while nothing is cached of it', async () => {
  expect(await act('check', {})).toMatchObject({ results: [], health: { status: 'up' } });
  await upstream.kill();
  expect(await act('check', {})).toMatchObject({ results: [], health: { status: 'down', failure_class: 'connect' } });
  await upstream.revive();
  expect(await act('check', {})).toMatchObject({ results: [], health: { status: 'up' } });
});

test('asking now: confirmed, moved, failed, not cached; and what that says of the upstream', async () => {
  for (const tag of ['same', 'moves']) upstream.add('team/app', tag, buildImage({ seed: tag.length }));
  await pull('team/app', 'same');
  await pull('team/app', 'moves');
  const moved = buildImage({ seed: 77 });
  upstream.move('team/app', 'moves', moved);
  clock.advance({ minutes: 10 });
  const references = ['team/app:same', 'team/app:moves', 'team/app:none'];
  const asked = await act<{ results: unknown[]; health: object }>('check', { references });
  expect(asked.results).toEqual([
    { reference: 'team/app:same', outcome: 'confirmed', digest: expect.any(String), failure_class: null },
    { reference: 'team/app:moves', outcome: 'moved', digest: moved.manifest.digest, failure_class: null },
    { reference: 'team/app:none', outcome: 'not_cached', digest: null, failure_class: null },
  ]);
  expect(asked.health).toMatchObject({ status: 'up' });
  expect((await list()).tags.map(({ digest }) => digest)).toContain(moved.manifest.digest);

  await upstream.kill();
  expect(await act('check', { references: ['team/app:same'] })).toMatchObject({
    results: [{ outcome: 'failed', failure_class: 'connect' }],
    health: { status: 'down', failure_class: 'connect' },
  });
  expect(await act('check', {})).toMatchObject({ results: [], health: { status: 'down' } });
  await upstream.revive();
  // Whoever asks by hand does not wait for the end of the window.
  expect(await act('check', {})).toMatchObject({ results: [], health: { status: 'up' } });
  const bad = await breakwater.api('POST', `${home()}/check`, { references: ['nope', 'a:b', 7] });
  expect(bad.body).toMatchObject({
    problems: [
      { field: 'references[0]', message: 'must be repository:tag, for example library/nginx:1.27, not "nope"' },
      { field: 'references[2]', message: 'must be a text; it is 7' },
    ],
  });
});

test('a purge takes exactly what its preview showed, and says what will be freed', async () => {
  const shared = buildImage({ seed: 20, layers: [40_000] });
  upstream.add('team/app', 'keep', shared);
  upstream.add('team/app', 'also', shared);
  const alone = buildImage({ seed: 21, layers: [30_000] });
  upstream.add('team/app', 'alone', alone);
  const pinned = buildImage({ seed: 22 });
  upstream.add('team/pinned', 'v1', pinned);
  for (const tag of ['keep', 'also', 'alone']) await pull('team/app', tag);
  await pull('team/pinned', 'v1');
  expect(await act('pin', { references: ['team/pinned:v1', 'team/app:none'] })).toEqual({
    results: [
      { reference: 'team/pinned:v1', pinned: true, cached: true },
      { reference: 'team/app:none', pinned: false, cached: false },
    ],
  });
  const bytesOf = (image: typeof alone) =>
    image.manifest.bytes.byteLength + [...image.blobs.values()].reduce((sum, each) => sum + each.byteLength, 0);
  await stored(shared.blobs.size + alone.blobs.size + pinned.blobs.size);

  expect(await act<Purge>('purge', { tag: 'team/app:also' })).toMatchObject({
    dry_run: true,
    tags: 1,
    bytes_freed: 0,
    bytes_shared: bytesOf(shared),
  });
  expect(await act<Purge>('purge', { tag: 'team/app:alone' })).toMatchObject({
    tags: 1,
    bytes_freed: bytesOf(alone),
    bytes_shared: 0,
  });
  const preview = await act<Purge>('purge', { all: true });
  expect(preview).toMatchObject({
    references: ['team/app:alone', 'team/app:also', 'team/app:keep'],
    tags: 3,
    pinned_kept: 1,
    bytes_freed: bytesOf(shared) + bytesOf(alone),
    upstream_down: false,
  });
  expect((await list()).total).toBe(4);

  // What comes after the preview, or moves, or is pinned since, is not part of it.
  upstream.add('team/late', 'v1', buildImage({ seed: 23 }));
  await pull('team/late', 'v1');
  await act('pin', { references: ['team/app:keep'] });
  expect(await act<Purge>('purge', { purge_id: preview.purge_id })).toMatchObject({ tags: 2, changed_kept: 1 });
  expect(names(await list())).toEqual(['team/app:keep', 'team/late:v1', 'team/pinned:v1']);
  expect((await breakwater.api('POST', `${home()}/purge`, { purge_id: preview.purge_id })).status).toBe(404);
  // A pull asks the upstream again.
  upstream.reset();
  await rawGet(`${breakwater.url}/v2/${organization}/team/app/manifests/alone`);
  expect(upstream.count({ kind: 'manifest' })).toBeGreaterThan(0);
});

test('purges by repository and by age; previews end after an hour; nothing half-said is done', async () => {
  for (const name of ['team/a', 'team/b']) {
    upstream.add(name, 'v1', buildImage({ seed: name.length }));
    await pull(name, 'v1');
    clock.advance({ minutes: 30 });
  }
  expect((await act<Purge>('purge', { older_than_s: 45 * 60 })).references).toEqual(['team/a:v1']);
  const preview = await act<Purge>('purge', { repository: 'team/b' });
  expect(preview.references).toEqual(['team/b:v1']);
  clock.advance({ hours: 1 });
  expect((await breakwater.api('POST', `${home()}/purge`, { purge_id: preview.purge_id })).status).toBe(404);
  expect(await act('purge', { repository: 'team/b', dry_run: false })).toMatchObject({
    dry_run: false,
    tags: 1,
    references: [],
  });
  expect(names(await list())).toEqual(['team/a:v1']);
  for (const body of [
    {},
    { all: true, repository: 'team/a' },
    { all: false },
    { purge_id: 'x', dry_run: true },
    { al: true },
    [],
  ]) {
    expect((await breakwater.api('POST', `${home()}/purge`, body)).status).toBe(400);
  }
  await upstream.kill();
  await act('check', {});
  expect(await act<Purge>('purge', { all: true })).toMatchObject({ upstream_down: true });
});

test('the log says what a purge took: since when it was not pulled, and the first of it by name', async () => {
  for (const tag of Array.from({ length: 22 }, (_nothing, at) => `v${String(at).padStart(2, '0')}`)) {
    upstream.add('team/many', tag, buildImage({ seed: 5 }));
    await pull('team/many', tag);
  }
  clock.advance({ hours: 1 });
  const { purge_id } = await act<Purge>('purge', { older_than_s: 30 * 60 });
  const since = new Date(clock.now() - 30 * 60_000).toISOString();
  clock.advance({ minutes: 10 });
  await act('purge', { purge_id });
  await act('purge', { repository: 'team/none', dry_run: false });
  await act('purge', { all: true, dry_run: false });
  const { body } = await breakwater.api('GET', `/api/v1/organization/${organization}/logs`);
  const { logs } = body as { logs: readonly { readonly kind: string; readonly metadata: object }[] };
  const purges = logs.filter(({ kind }) => kind === 'proxy_cache_purge').map(({ metadata }) => metadata);
  expect(purges).toEqual([
    { scope: 'all', tags: 0, references: [] },
    { scope: 'repository', repository: 'team/none', tags: 0, references: [] },
    {
      scope: 'older_than',
      not_pulled_since: since,
      tags: 22,
      references: Array.from({ length: 20 }, (_nothing, at) => `team/many:v${String(at).padStart(2, '0')}`),
    },
  ]);
});

test('another organization, and another upstream, have nothing to do with it', async () => {
  const image = buildImage({ seed: 30, layers: [20_000] });
  upstream.add('team/app', 'v1', image);
  await pull('team/app', 'v1');
  const first = organization;
  organization = await breakwater.proxyOrganization({ upstream_registry: upstream.host });
  await pull('team/app', 'v1');
  await stored(image.blobs.size);
  // The other one links to the same bytes.
  expect(await act<Purge>('purge', { all: true })).toMatchObject({ tags: 1, bytes_freed: 0 });
  const { purge_id } = await act<Purge>('purge', { all: true });
  organization = first;
  expect((await breakwater.api('POST', `${home()}/purge`, { purge_id })).status).toBe(404);
  expect((await list()).total).toBe(1);
});

test('the log says who did what, without secrets, page by page', async () => {
  upstream.add('team/app', 'v1', buildImage({ seed: 31 }));
  await pull('team/app', 'v1');
  await breakwater.api('PUT', home(), {
    staleness_period_s: 5 * HOUR,
    upstream_registry_username: 'bot',
    upstream_registry_password: 'the-secret-of-the-log',
  });
  await act('pin', { references: ['team/app:v1'] });
  await act('unpin', { references: ['team/app:v1'] });
  await act('purge', { tag: 'team/app:v1', dry_run: false });
  await breakwater.api('DELETE', home());
  const logs = async (query = '') =>
    (await breakwater.api('GET', `/api/v1/organization/${organization}/logs${query}`)).body;
  const all = (await logs()) as { logs: { kind: string; metadata: object }[] };
  expect(all.logs.map(({ kind }) => kind)).toEqual([
    'delete_proxy_cache_config',
    'proxy_cache_purge',
    'proxy_cache_unpin',
    'proxy_cache_pin',
    'update_proxy_cache_config',
    'create_proxy_cache_config',
  ]);
  expect(all.logs[1]).toEqual({
    kind: 'proxy_cache_purge',
    metadata: { scope: 'tag', repository: 'team/app', tag: 'v1', tags: 1, references: ['team/app:v1'] },
    datetime: new Date(clock.now()).toUTCString(),
    performer: { kind: 'user', name: 'admin', is_robot: false },
    namespace: { kind: 'org', name: organization },
  });
  expect(all.logs[4]?.metadata).toEqual({
    staleness_period_s: { from: 3 * HOUR, to: 5 * HOUR },
    credentials: 'added',
  });
  expect(all.logs[5]?.metadata).toMatchObject({ upstream_registry: upstream.host });
  expect(JSON.stringify(all)).not.toContain('the-secret-of-the-log');

  const first = (await logs('?limit=4')) as { logs: unknown[]; next_page: string };
  const second = (await logs(`?limit=4&next_page=${first.next_page}`)) as { logs: unknown[]; next_page?: string };
  expect([...first.logs, ...second.logs]).toEqual(all.logs);
  expect(second.next_page).toBeUndefined();
  const day = new Date(clock.now()).toISOString().replace(/^(\d+)-(\d+)-(\d+).*/, '$2/$3/$1');
  expect(await logs(`?starttime=${day}&endtime=${day}&performer=admin`)).toMatchObject({
    start_time: day,
    logs: all.logs,
  });
  expect(await logs('?endtime=01/01/2024')).toMatchObject({ logs: [] });
  expect(await logs('?performer=somebody')).toMatchObject({ logs: [] });
  expect((await breakwater.api('GET', `/api/v1/organization/${organization}/logs?starttime=2024`)).status).toBe(400);
});

/** Waits until so many blobs of the organization are stored: a client has the last byte a moment before. */
async function stored(blobs: number): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    const links = await breakwater.state.database.knex('content_link').where({ organization, kind: 'blob' });
    if (links.length >= blobs) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('the blobs were not stored');
}
