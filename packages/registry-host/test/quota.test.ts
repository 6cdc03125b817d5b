import { setTimeout as sleep } from 'node:timers/promises';
import type { OrganizationName } from '@breakwater/registry-core';
import {
  buildImage,
  type FaultUpstream,
  movableClock,
  pullImage,
  rawGet,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';

// A quota that is full of what may not be taken (F126, G16): what does not fit is streamed through and says so.

type Image = ReturnType<typeof buildImage>;
const LAYER = 300_000;

const bytesOf = (image: Image) =>
  [image.manifest.bytes, ...image.blobs.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);

class Site {
  constructor(
    readonly breakwater: TestRegistry,
    readonly upstream: FaultUpstream,
    readonly organization: string,
  ) {}

  readonly #home = () => `/api/v1/organization/${this.organization}/proxycache`;

  async pull(name: string): Promise<void> {
    const pulled = await pullImage(this.breakwater.url, `${this.organization}/${name}`, 'v1');
    expect(pulled.problems).toEqual([]);
  }

  /** Bytes that are stored for the organization. */
  async stored(): Promise<number> {
    const { rows } = await this.breakwater.state.database.knex.raw(
      `SELECT coalesce(sum(b.size), 0) AS bytes FROM blob b
        WHERE b.digest IN (SELECT digest FROM content_link WHERE kind = 'blob' AND organization = ?)`,
      [this.organization],
    );
    return Number(rows[0].bytes);
  }

  async storedIsAtLeast(bytes: number): Promise<void> {
    for (let tries = 0; tries < 500; tries += 1) {
      if ((await this.stored()) >= bytes) return;
      await sleep(10);
    }
    throw new Error('the blobs were not stored');
  }

  async health(): Promise<unknown> {
    return (await this.breakwater.api('GET', `${this.#home()}/health`)).body;
  }

  async act(what: string, body: unknown): Promise<void> {
    expect(await this.breakwater.api('POST', `${this.#home()}/${what}`, body)).toMatchObject({ status: 200 });
  }

  async set(settings: unknown): Promise<void> {
    expect(await this.breakwater.api('PUT', this.#home(), settings)).toMatchObject({ status: 200 });
  }

  /** The answer to a GET of the first layer of an image. */
  layer(name: string, image: Image) {
    const digest = [...image.blobs].find(([, { byteLength }]) => byteLength >= LAYER)?.[0];
    return rawGet(`${this.breakwater.url}/v2/${this.organization}/${name}/blobs/${digest}`);
  }
}

test('what does not fit beside what is pinned is pulled byte for byte, not stored, and told; unpinned makes room', async () => {
  const clock = movableClock(Date.now());
  await using upstream = await startFaultUpstream();
  await using breakwater = await startTestRegistry({ clock });
  const organization = await breakwater.proxyOrganization({ upstream_registry: upstream.host, expiration_s: 0 });
  const site = new Site(breakwater, upstream, organization);
  const told: unknown[] = [];
  breakwater.registry.proxyCache.events.on('not-stored', (event) => told.push(event));
  const images = [1, 2, 3].map((seed) => buildImage({ seed, layers: [LAYER] }));
  const [pinned, second, third] = images as [Image, Image, Image];
  for (const [index, image] of images.entries()) upstream.add(`team/app${index}`, 'v1', image);

  await site.pull('team/app0');
  await site.storedIsAtLeast(LAYER);
  await site.act('pin', { references: ['team/app0:v1'] });
  const quota = bytesOf(pinned) + LAYER / 2;
  await site.set({ quota_bytes: quota });
  // The lease is over: it is the pin that keeps the first.
  clock.advance({ hours: 2 });
  const before = await site.stored();

  await Promise.all([1, 2, 1, 2, 1].map((index) => site.pull(`team/app${index}`)));
  await site.pull('team/app1');
  const answer = await site.layer('team/app1', second);
  expect(answer).toMatchObject({ status: 200, headers: { 'cache-status': 'Breakwater; fwd=uri-miss; detail=quota' } });
  // Their configurations are small enough to fit.
  expect((await site.stored()) - before).toBeLessThan(LAYER / 2);
  expect(await site.stored()).toBeLessThanOrEqual(quota);
  expect(told).toContainEqual(expect.objectContaining({ failureClass: 'quota', repository: 'team/app1' }));
  const metrics = (await rawGet(`${breakwater.url}/metrics`)).bytes.toString();
  expect(metrics).toMatch(/^breakwater_not_stored_total\{class="quota"\} \d/m);
  expect(await site.health()).toMatchObject({
    storage: { status: 'ok', last_failure_at: null },
    quota: { limit_bytes: quota, used_bytes: expect.any(Number), last_not_stored_at: expect.any(String) },
  });

  await site.set({ quota_bytes: await site.stored() });
  await sleepUntil(
    async () => (await site.health()) as { quota: { status: string } },
    ({ quota: { status } }) => status === 'full',
  );

  // What is not pinned may be taken in its place.
  await site.set({ quota_bytes: quota });
  await site.act('unpin', { references: ['team/app0:v1'] });
  await sleepUntil(
    async () => {
      await site.pull('team/app2');
      return site.stored();
    },
    (stored) => stored >= before + LAYER,
  );
  expect((await site.layer('team/app2', third)).headers['cache-status']).toBe('Breakwater; hit');
  clock.advance({ seconds: 30 });
  await breakwater.registry.gc.runOnce();
  expect(await site.stored()).toBeLessThanOrEqual(quota);
  expect((await site.layer('team/app2', third)).headers['cache-status']).toBe('Breakwater; hit');
});

test('what was cached of another upstream, before that was changed, takes nothing of the new one', async () => {
  const clock = movableClock(Date.now());
  await using before = await startFaultUpstream();
  await using upstream = await startFaultUpstream();
  await using breakwater = await startTestRegistry({ clock });
  const organization = await breakwater.proxyOrganization({ upstream_registry: before.host, expiration_s: 0 });
  const site = new Site(breakwater, upstream, organization);
  const image = buildImage({ seed: 21, layers: [LAYER] });
  before.add('team/old', 'v1', buildImage({ seed: 20, layers: [2 * LAYER] }));
  upstream.add('team/new', 'v1', image);
  await site.pull('team/old');
  await site.storedIsAtLeast(2 * LAYER);
  const quota = bytesOf(image) + 1;
  await site.set({ upstream_registry: upstream.host, quota_bytes: quota });
  await site.pull('team/new');
  await site.storedIsAtLeast(3 * LAYER);
  await sleepUntil(
    async () => (await site.health()) as { quota: { used_bytes: number } },
    ({ quota: { used_bytes: used } }) => used === bytesOf(image),
  );
  // The leases are over, and nothing has expired yet.
  clock.advance({ hours: 2 });
  const stored = await site.stored();
  const report = await breakwater.registry.gc.runOnce();
  expect(report).toMatchObject({ outcome: 'done', expiredTotal: 0 });
  expect(await site.stored()).toBe(stored);
});

test('a quota of 1.1 images holds beside ten pulls at a time and collections, and cuts none of them (G16)', async () => {
  const clock = movableClock(Date.now());
  await using upstream = await startFaultUpstream();
  await using breakwater = await startTestRegistry({ clock, periods: { flushMs: 50 } });
  const organization = await breakwater.proxyOrganization({ upstream_registry: upstream.host, expiration_s: 0 });
  const site = new Site(breakwater, upstream, organization);
  const images = Array.from({ length: 10 }, (_, seed) => buildImage({ seed: 30 + seed, layers: [LAYER] }));
  for (const [index, image] of images.entries()) upstream.add(`team/app${index}`, 'v1', image);
  const quota = Math.ceil(1.1 * bytesOf(images[0] as Image));
  await site.set({ quota_bytes: quota });
  for (let round = 0; round < 3; round += 1) {
    let isPulling = true;
    const collecting = (async () => {
      const outcomes = new Set<string>();
      while (isPulling) outcomes.add((await breakwater.registry.gc.runOnce()).outcome);
      return outcomes;
    })();
    // Every body is hashed as it comes.
    await Promise.all(images.map((_, index) => site.pull(`team/app${index}`)));
    isPulling = false;
    expect(await collecting).toEqual(new Set(['done']));
    // What was pulled is under lease: it stayed, whatever it comes to.
    for (const [index, image] of images.entries()) {
      const again = await site.layer(`team/app${index}`, image);
      expect(again.status).toBe(200);
    }
    clock.advance({ hours: 2 });
    await breakwater.registry.gc.runOnce();
    expect(await site.stored()).toBeLessThanOrEqual(quota);
  }
});

test('the least recently pulled are listed page by page, tags and digests of one moment included', async () => {
  const clock = movableClock(Date.now());
  await using upstream = await startFaultUpstream();
  await using breakwater = await startTestRegistry({ clock });
  const organization = await breakwater.proxyOrganization({ upstream_registry: upstream.host });
  for (let seed = 0; seed < 9; seed += 1) {
    const image = buildImage({ seed, layers: 1 });
    upstream.add('team/app', `v${seed}`, image);
    const reference = seed % 3 === 0 ? image.manifest.digest : `v${seed}`;
    const pulled = await rawGet(`${breakwater.url}/v2/${organization}/team/app/manifests/${reference}`);
    expect(pulled.status).toBe(200);
    // Five of one moment, then four of another.
    if (seed === 4) clock.advance({ minutes: 1 });
  }
  const { tags } = breakwater.registry.proxyCache;
  const of = { organization: organization as OrganizationName, upstream: upstream.host };
  const list = (limit: number, after?: Awaited<ReturnType<typeof tags.leastRecentlyUsed>>[number]) =>
    tags.leastRecentlyUsed(of, clock.now() + 1, limit, after);
  // Uses by digest are written a moment later.
  await sleepUntil(
    () => list(100),
    ({ length }) => length === 9,
  );
  const all = await list(100);
  for (const limit of [1, 2, 4]) {
    const paged: (typeof all)[number][] = [];
    for (;;) {
      const page = await list(limit, paged.at(-1));
      if (page.length === 0) break;
      paged.push(...page);
    }
    expect(paged).toEqual(all);
  }
});

/** What was found out of a quota is gone by for a few seconds. */
async function sleepUntil<T>(look: () => Promise<T>, isSo: (found: T) => boolean): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    if (isSo(await look())) return;
    await sleep(100);
  }
  throw new Error('it never came to be');
}
