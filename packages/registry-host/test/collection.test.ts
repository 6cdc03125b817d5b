import { readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  buildImage,
  buildIndex,
  type FaultUpstream,
  type MovableClock,
  movableClock,
  pullImage,
  rawGet,
  registryState,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { afterEach, expect, test } from '@jest/globals';

// Garbage collection of a whole registry: what is within its staleness period stays, what is past everything goes, and
// the disk space with it.

const HOUR = 3_600;
const GRACE = 60;
/** Uses are written late, so the collector waits a little longer than it is told. */
const MARGIN = 11;

const closing: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each[Symbol.asyncDispose]();
});

function ending<T extends AsyncDisposable>(resource: T): T {
  closing.push(resource);
  return resource;
}

async function setUp(env: Readonly<Record<string, string>> = {}): Promise<{
  clock: MovableClock;
  upstream: FaultUpstream;
  breakwater: TestRegistry;
}> {
  const clock = movableClock(Date.now());
  const upstream = ending(await startFaultUpstream());
  const breakwater = ending(
    await startTestRegistry({
      clock,
      env: { BREAKWATER_GC_GRACE_S: String(GRACE), ...env },
      deadlines: { checkBudgetMs: 300, clientBudgetMs: 10_000, headersMs: 1_000 },
      periods: { flushMs: 100 },
    }),
  );
  return { clock, upstream, breakwater };
}

const settings = (upstream: FaultUpstream) => ({
  upstream_registry: upstream.host,
  staleness_period_s: HOUR,
  expiration_s: 2 * HOUR,
});

async function collect(breakwater: TestRegistry, query = '') {
  const answer = await breakwater.api('POST', `/api/v1/gc/run${query}`);
  expect(answer.status).toBe(200);
  return answer.body as {
    outcome: string;
    expired_total: number;
    held: { organization: string }[];
    kept: Record<string, number>;
    kept_tags: { organization: string; reason: string }[];
    freed: { manifests: number; blobs: number; bytes: number };
  };
}

/** Pulls, and waits until everything is stored: a client has the last byte a moment before the store has. */
async function pullAndStore(breakwater: TestRegistry, name: string): Promise<void> {
  const { problems, blobs } = await pullImage(breakwater.url, name, 'v1');
  expect(problems).toEqual([]);
  for (let tries = 0; tries < 500; tries += 1) {
    const links = await breakwater.state.database.knex('content_link').where({ kind: 'blob' });
    if (links.length >= blobs.size) return;
    await sleep(10);
  }
  throw new Error('the blobs were not stored');
}

async function waitForBlobs(breakwater: TestRegistry, count: number): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    const links = await breakwater.state.database.knex('content_link').where({ kind: 'blob' });
    if (links.length >= count) return;
    await sleep(10);
  }
  throw new Error('the blobs were not stored');
}

/** Uses are in memory for some seconds; whoever moves the clock by days has to wait for these. */
async function untilUsesAreWritten(breakwater: TestRegistry, count: number): Promise<void> {
  for (let tries = 0; tries < 1_000; tries += 1) {
    if ((await breakwater.state.database.knex('digest_use')).length >= count) return;
    await sleep(10);
  }
  throw new Error('the uses were not written');
}

async function untilUp(breakwater: TestRegistry, organization: string): Promise<void> {
  for (let tries = 0; tries < 1_000; tries += 1) {
    const { body } = await breakwater.api('GET', `/api/v1/organization/${organization}/proxycache/health`);
    if ((body as { status: string }).status === 'up') return;
    await sleep(10);
  }
  throw new Error('the upstream was not found to be back');
}

async function blobFiles(breakwater: TestRegistry): Promise<number> {
  const root = join(breakwater.state.directory, 'storage', 'blobs');
  const names = await readdir(root, { recursive: true }).catch(() => []);
  const stats = await Promise.all(names.map((name) => stat(join(root, name))));
  return stats.filter((each) => each.isFile()).length;
}

test('one thing is explained as the next run does it: a tag, its manifest, its layer, and what is not there', async () => {
  const { clock, upstream, breakwater } = await setUp();
  const image = buildImage({ seed: 1 });
  upstream.add('team/app', 'v1', image);
  const organization = await breakwater.proxyOrganization(settings(upstream));
  const name = `${organization}/team/app`;
  await pullAndStore(breakwater, name);
  const explain = async (reference: string) => {
    const answer = await breakwater.api('GET', `/api/v1/gc/explain?reference=${encodeURIComponent(reference)}`);
    expect(answer.status).toBe(200);
    return answer.body as {
      tags: { digest: string; verdict: object }[];
      stored: { kind: string; links: number }[];
      links: { kind: string; lease_left_s: number; referenced_by: { manifests: string[] }; verdict: object }[];
    };
  };
  const { tags } = await explain(`${name}:v1`);
  expect(tags).toMatchObject([
    {
      upstream: upstream.host,
      reference: 'v1',
      state: 'within_staleness',
      staleness_period_s: HOUR,
      expiration_s: 2 * HOUR,
      pinned: false,
      hold: 'free',
      verdict: { action: 'keep', reason: 'within_staleness' },
    },
  ]);
  const digest = tags[0]?.digest ?? '';
  const row = await breakwater.state.database.knex('content_link').where({ kind: 'blob' }).first('digest');
  const layer: string = row.digest;
  expect(await explain(`${name}@${digest}`)).toMatchObject({
    stored: [{ kind: 'manifest', links: 1 }],
    links: [{ kind: 'manifest', verdict: { action: 'keep', reason: 'leased' } }],
  });
  clock.advance({ ms: (GRACE + MARGIN) * 1000 });
  expect((await explain(digest)).links).toMatchObject([
    {
      lease_left_s: 0,
      referenced_by: { total: 1, more: false, cached_tags: [{ reference: 'v1' }] },
      verdict: { action: 'keep', reason: 'tagged' },
    },
  ]);
  expect((await explain(layer)).links).toMatchObject([
    { kind: 'blob', referenced_by: { manifests: [digest] }, verdict: { action: 'keep', reason: 'needed' } },
  ]);

  clock.advance({ ms: (3 * HOUR + MARGIN) * 1000 });
  expect((await explain(`${name}:v1`)).tags).toMatchObject([
    { state: 'past_staleness', verdict: { action: 'expire', reason: 'lapsed_and_unused' } },
  ]);
  expect((await explain(layer)).links).toMatchObject([{ verdict: { action: 'remove', reason: 'unreachable' } }]);
  expect(await blobFiles(breakwater)).toBeGreaterThan(0);
  expect(await collect(breakwater)).toMatchObject({ outcome: 'done', expired_total: 1 });
  for (const gone of [`${name}:v1`, digest, layer]) {
    const answer = await breakwater.api('GET', `/api/v1/gc/explain?reference=${encodeURIComponent(gone)}`);
    expect(answer).toMatchObject({ status: 404, body: { error_type: 'not_found' } });
  }
});

test('nothing goes within the staleness period; past staleness and expiration all goes, and the disk space', async () => {
  const { clock, upstream, breakwater } = await setUp();
  const index = buildIndex([
    buildImage({ seed: 1 }),
    buildImage({ seed: 2, platform: { os: 'linux', architecture: 'arm64' } }),
  ]);
  upstream.add('team/app', 'v1', index);
  const organization = await breakwater.proxyOrganization(settings(upstream));
  await pullAndStore(breakwater, `${organization}/team/app`);
  expect(await blobFiles(breakwater)).toBeGreaterThan(0);

  clock.advance({ seconds: HOUR });
  expect(await collect(breakwater)).toMatchObject({ outcome: 'done', expired_total: 0, freed: { blobs: 0 } });
  clock.advance({ seconds: HOUR - 1 });
  expect(await collect(breakwater)).toMatchObject({ expired_total: 0 });

  clock.advance({ seconds: MARGIN + 1 });
  const planned = await collect(breakwater, '?dry_run=true');
  expect(planned.expired_total).toBeGreaterThan(0);
  const report = await collect(breakwater);
  expect(report).toMatchObject({ outcome: 'done', expired_total: planned.expired_total });
  clock.advance({ seconds: GRACE + MARGIN });
  await collect(breakwater);
  expect(await blobFiles(breakwater)).toBe(0);
  expect(upstream.count({ method: 'GET', kind: 'manifest' })).toBe(3);
  // What is gone is fetched again.
  expect((await pullImage(breakwater.url, `${organization}/team/app`, 'v1')).problems).toEqual([]);
});

test('while the upstream is down nothing of it goes, and the report says what is held', async () => {
  const { clock, upstream, breakwater } = await setUp();
  upstream.add('team/app', 'v1', buildImage({ seed: 3 }));
  const organization = await breakwater.proxyOrganization(settings(upstream));
  await pullAndStore(breakwater, `${organization}/team/app`);
  await upstream.kill();

  // Nobody has asked since: the collector itself finds out that the upstream is down.
  clock.advance({ hours: 5 });
  const report = await collect(breakwater);
  expect(report).toMatchObject({ expired_total: 0, held: [{ organization }] });
  expect(report.kept['held']).toBeGreaterThan(0);
  const raised = { staleness_period_s: 10 * HOUR };
  await breakwater.api('PUT', `/api/v1/organization/${organization}/proxycache`, raised);
  expect((await pullImage(breakwater.url, `${organization}/team/app`, 'v1')).problems).toEqual([]);
});

test('an outage longer than the expiration takes nothing of that organization; after it the rule applies', async () => {
  const { clock, upstream, breakwater } = await setUp();
  const other = ending(await startFaultUpstream());
  const image = buildImage({ seed: 6 });
  for (const each of [upstream, other]) each.add('team/app', 'v1', image);
  const held = await breakwater.proxyOrganization(settings(upstream));
  const free = await breakwater.proxyOrganization(settings(other));
  for (const organization of [held, free]) {
    expect((await pullImage(breakwater.url, `${organization}/team/app`, 'v1')).problems).toEqual([]);
    // By digest too, as Kubernetes does: a use that no tag stands for.
    const url = `${breakwater.url}/v2/${organization}/team/app/manifests/${image.manifest.digest}`;
    expect((await rawGet(url)).status).toBe(200);
  }
  await waitForBlobs(breakwater, 2 * image.blobs.size);
  await untilUsesAreWritten(breakwater, 2);
  await upstream.kill();

  // Staleness and expiration have passed several times over, and everything else that is due goes.
  const tables = ['cached_tag', 'digest_use', 'content_link'] as const;
  const countsOf = async (organization: string) =>
    Promise.all(
      tables.map(async (table) => (await breakwater.state.database.knex(table).where({ organization })).length),
    );
  const before = await countsOf(held);
  for (const day of [1, 5, 20]) {
    clock.advance({ days: day });
    const planned = await collect(breakwater, '?dry_run=true');
    expect(planned.held).toEqual([expect.objectContaining({ organization: held, upstream: upstream.host, tags: 2 })]);
    const ofHeld = planned.kept_tags.filter(({ organization }) => organization === held);
    expect(ofHeld.map(({ reason }) => reason)).toEqual(['held', 'held']);
    expect((await collect(breakwater)).outcome).toBe('done');
    expect(await countsOf(held)).toEqual(before);
  }
  expect(await countsOf(free)).toEqual([0, 0, 0]);
  for (const digest of [image.manifest.digest, ...image.blobs.keys()]) {
    const kind = digest === image.manifest.digest ? 'manifests' : 'blobs';
    const answer = await rawGet(`${breakwater.url}/v2/${held}/team/app/${kind}/${digest}`);
    expect({ status: answer.status, sha256: answer.sha256 }).toEqual({ status: 200, sha256: digest.slice(7) });
  }

  await upstream.revive();
  clock.advance({ hours: 3 });
  // The check by which that is found out is a confirmation, too; it would come into the middle of the run.
  await untilUp(breakwater, held);
  clock.advance({ hours: 3 });
  expect((await collect(breakwater)).expired_total).toBe(2);
  clock.advance({ seconds: GRACE + MARGIN });
  await collect(breakwater);
  expect(await countsOf(held)).toEqual([0, 0, 0]);
  expect(await blobFiles(breakwater)).toBe(0);
});

test('over its quota an organization keeps what was pulled last, and nothing that may be being pulled (G16)', async () => {
  const { clock, upstream, breakwater } = await setUp();
  const images = [11, 12, 13].map((seed) => buildImage({ seed, layers: 1 }));
  for (const [index, image] of images.entries()) upstream.add(`team/app${index}`, 'v1', image);
  const organization = await breakwater.proxyOrganization(settings(upstream));
  for (const index of images.keys()) {
    const { problems } = await pullImage(breakwater.url, `${organization}/team/app${index}`, 'v1');
    expect(problems).toEqual([]);
    await waitForBlobs(breakwater, 2 * (index + 1));
    clock.advance({ seconds: GRACE / 2 });
  }
  const sizeOf = (image: (typeof images)[number]) =>
    [image.manifest.bytes, ...image.blobs.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  const quota = sizeOf(images[2] as (typeof images)[number]) + 1;
  await breakwater.api('PUT', `/api/v1/organization/${organization}/proxycache`, { quota_bytes: quota });
  const before = await blobFiles(breakwater);
  const planned = await collect(breakwater, '?dry_run=true');
  const report = await collect(breakwater);
  expect(report).toMatchObject({ outcome: 'done', expired_total: planned.expired_total });
  // The last two were pulled within the lease; the first one went.
  expect(report.expired_total).toBeGreaterThan(0);
  expect(await blobFiles(breakwater)).toBe(before - 2);
  clock.advance({ seconds: 2 * GRACE });
  await collect(breakwater);
  expect(await blobFiles(breakwater)).toBe(2);
  await upstream.kill();
  expect((await pullImage(breakwater.url, `${organization}/team/app2`, 'v1')).problems).toEqual([]);
});

test('a store that looks unmounted is left alone, and not a row goes: neither what is due nor what is over a quota (F113)', async () => {
  const { clock, upstream, breakwater } = await setUp();
  upstream.add('team/app', 'v1', buildImage({ seed: 7 }));
  const organization = await breakwater.proxyOrganization(settings(upstream));
  await pullAndStore(breakwater, `${organization}/team/app`);
  await breakwater.api('PUT', `/api/v1/organization/${organization}/proxycache`, { quota_bytes: 1 });
  clock.advance({ hours: 5 });
  const { knex } = breakwater.state.database;
  const rows = async () => {
    const { rows: tables } = await knex.raw<{ rows: { name: string }[] }>(
      `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'gc_run' ORDER BY 1`,
    );
    const contents = tables.map(async ({ name }) => [
      name,
      await knex.raw(`SELECT t::text FROM "${name}" t ORDER BY 1`),
    ]);
    return (await Promise.all(contents)).map(([name, found]) => [name, found.rows]);
  };
  const store = join(breakwater.state.directory, 'storage');
  await rename(store, `${store}.unmounted`);
  const before = await rows();
  for (const query of ['?dry_run=true', '', '?force=true', `?organization=${organization}`]) {
    const { status, body } = await breakwater.api('POST', `/api/v1/gc/run${query}`);
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { outcome: 'failed', expired_total: 0, steps: [{ name: 'check_store', error: 'STORE_UNMOUNTED' }] },
    });
  }
  expect(await rows()).toEqual(before);
  await rename(`${store}.unmounted`, store);
  expect(await collect(breakwater)).toMatchObject({ outcome: 'done', freed: { manifests: 1 } });
});

test('with a hold of 0 the outage keeps nothing', async () => {
  const { clock, upstream, breakwater } = await setUp({ BREAKWATER_GC_HOLD_S: '0' });
  upstream.add('team/app', 'v1', buildImage({ seed: 4 }));
  const organization = await breakwater.proxyOrganization(settings(upstream));
  await pullAndStore(breakwater, `${organization}/team/app`);
  await upstream.kill();
  clock.advance({ hours: 5 });
  expect((await collect(breakwater)).expired_total).toBeGreaterThan(0);
  expect(await blobFiles(breakwater)).toBe(0);
});

test('a pull between manifest and blobs survives a collection in another process', async () => {
  const clock = movableClock(Date.now());
  const upstream = ending(await startFaultUpstream());
  const state = ending(await registryState());
  const options = { clock, on: state, env: { BREAKWATER_GC_GRACE_S: String(GRACE), BREAKWATER_GC_HOLD_S: '0' } };
  const pulling = ending(await startTestRegistry(options));
  const collecting = ending(await startTestRegistry(options));
  const image = buildImage({ seed: 5, layers: 2 });
  upstream.add('team/app', 'v1', image);
  const organization = await pulling.proxyOrganization({
    ...settings(upstream),
    expiration_s: 1,
    staleness_period_s: 1,
  });
  await pullAndStore(pulling, `${organization}/team/app`);

  // Used last long ago, when a client comes back for the manifest and is slow with the rest.
  clock.advance({ hours: 3 });
  const manifests = `${pulling.url}/v2/${organization}/team/app/manifests`;
  expect((await rawGet(`${manifests}/${image.manifest.digest}`)).status).toBe(200);
  await upstream.kill();
  clock.advance({ seconds: GRACE - 1 });
  await collect(collecting);

  for (const digest of image.blobs.keys()) {
    const answer = await rawGet(`${pulling.url}/v2/${organization}/team/app/blobs/${digest}`);
    expect({ status: answer.status, sha256: answer.sha256 }).toEqual({ status: 200, sha256: digest.slice(7) });
  }

  clock.advance({ seconds: GRACE + 3 * MARGIN });
  await collect(collecting);
  const [first] = image.blobs.keys();
  expect((await rawGet(`${pulling.url}/v2/${organization}/team/app/blobs/${first}`)).status).toBe(503);
});
