import type { ExpirableTag, QuotaTags } from '@breakwater/gc';
import { type ContentUsage, repositoryKey } from '@breakwater/registry-core';
import { movableClock } from '@breakwater/test-kit';
import { describe, expect, test } from '@jest/globals';
import { digestNamed, FakeRegistry, repositoryNamed, UPSTREAM } from './fake-registry.js';
import { gcOf } from './test-gc.js';

// Quotas: what goes and what stops it, what the dry run names, and that room is what is left or may be taken.

const { organization } = repositoryNamed('app');
const QUOTA = { organization, upstream: UPSTREAM, quotaBytes: 1_000 };

/** Images of 10 bytes each, the first of them pulled the longest ago. */
function organizationWith(images: number, registry: FakeRegistry) {
  const repository = repositoryNamed('app');
  const all = Array.from({ length: images }, (_, index): ExpirableTag => {
    const tag = registry.tag(repository, `v${index}`, digestNamed(`image ${index}`), { lastUsedAt: index });
    return tag as unknown as ExpirableTag;
  });
  const state = { used: 10 * images, looks: 0 };
  const quotas: QuotaTags = {
    quotas: async () => ({ quotas: [QUOTA], next: undefined }),
    async leastRecentlyUsed(_, usedBefore, limit, after) {
      const tags = all.filter((tag) => tag.lastUsedAt < usedBefore && tag.lastUsedAt > (after?.lastUsedAt ?? -1));
      return tags.slice(0, limit);
    },
  };
  const usage: ContentUsage = {
    blobs: async () => images,
    async bytesOf() {
      state.looks += 1;
      return state.used;
    },
    imageBytes: async (manifests) => manifests.map(() => 10),
  };
  return { quotas, usage, state, all };
}

test('a dry run names what would go of every batch', async () => {
  const registry = new FakeRegistry(movableClock());
  const { quotas, usage } = organizationWith(450, registry);
  const report = await gcOf(registry, { quotas, usage }).runOnce({ dryRun: true });
  // 4,500 bytes are 3,500 too many.
  expect(report.expired.filter(({ reason }) => reason === 'quota')).toHaveLength(350);
  expect(report.steps).toContainEqual(
    expect.objectContaining({ name: 'reclaim_for_quota', organizations: 1, expired: 350, over: 0 }),
  );
});

test('room is what is left of the quota, and what is on its way counts', async () => {
  const registry = new FakeRegistry(movableClock());
  const { quotas, usage, state } = organizationWith(0, registry);
  state.used = 400;
  const { quota } = gcOf(registry, { quotas, usage });
  expect(await quota.reserve(QUOTA, 1_001)).toBeUndefined();
  const asked = await Promise.all(Array.from({ length: 5 }, () => quota.reserve(QUOTA, 250)));
  expect(asked.filter((end) => end !== undefined)).toHaveLength(2);
  expect(state.looks).toBe(1);
  expect(await quota.state(QUOTA)).toEqual({ usedBytes: 400, isFull: false });
  const rest = await quota.reserve(QUOTA, 100);
  expect(await quota.state(QUOTA)).toEqual({ usedBytes: 400, isFull: true });

  // What was not stored gives its room back; what was counts until it is seen in the store.
  rest?.(false);
  asked[0]?.(true);
  expect(await quota.reserve(QUOTA, 101)).toBeUndefined();
  expect(await quota.reserve(QUOTA, 100)).toBeDefined();
});

test('images that may be taken make room: not those of an upstream that is down, nor what may be being pulled', async () => {
  const registry = new FakeRegistry(movableClock());
  const { quotas, usage, all } = organizationWith(100, registry);
  const roomOf = (options: Parameters<typeof gcOf>[1] = {}) => gcOf(registry, { quotas, usage, ...options }).quota;
  expect(await roomOf().reserve(QUOTA, 1_000)).toBeDefined();
  expect(await roomOf().state(QUOTA)).toEqual({ usedBytes: 1_000, isFull: false });

  const down = { condition: async () => ({ down: true }), check: async () => ({ down: true }) };
  expect(await roomOf({ upstreams: down }).reserve(QUOTA, 1)).toBeUndefined();
  expect(await roomOf({ upstreams: down, holdMs: 0 }).reserve(QUOTA, 1)).toBeDefined();

  const now = registry.clock.now();
  for (const tag of all) Object.assign(tag, { lastUsedAt: now - 60_000 });
  expect(await roomOf({ graceMs: 3_600_000 }).reserve(QUOTA, 1)).toBeUndefined();
  expect(await roomOf({ graceMs: 30_000 }).reserve(QUOTA, 1)).toBeDefined();
});

test('a failure is passed on and not remembered; without usage everything fits', async () => {
  const registry = new FakeRegistry(movableClock());
  const { quotas, usage } = organizationWith(0, registry);
  let fails = true;
  const bytesOf = async () => {
    if (fails) throw new Error('no database');
    return 0;
  };
  const { quota } = gcOf(registry, { quotas, usage: { ...usage, bytesOf } });
  await expect(quota.reserve(QUOTA, 1)).rejects.toThrow('no database');
  fails = false;
  expect(await quota.reserve(QUOTA, 1)).toBeDefined();
  expect(await gcOf(registry, { quotas }).quota.reserve(QUOTA, 1_000_000)).toBeDefined();
});

/** An organization of images with two blobs each, of 21 bytes, tagged `v<n>`, pulled one after the other. */
function organizationOf(images: number, layers = 1) {
  const registry = new FakeRegistry(movableClock());
  const app = repositoryNamed('app');
  for (let count = 0; count < images; count += 1) {
    const names = Array.from({ length: layers }, (_, layer) => `layer-${count}-${layer}`);
    registry.tag(app, `v${count}`, registry.putImage(app, `image-${count}`, names), {
      stalenessPeriodS: 86_400,
      lastUsedAt: registry.clock.now() - images + count,
    });
  }
  const byUse = () => [...registry.cachedTags.values()].sort((one, other) => one.lastUsedAt - other.lastUsedAt);
  const bytesOf = async () =>
    [...registry.links.values()].reduce((sum, { digest }) => sum + (registry.content.get(digest)?.size ?? 0), 0);
  const imageBytes = (digest: ReturnType<typeof digestNamed>): number => {
    const { size = 0, children = [], blobs = [] } = registry.content.get(digest) ?? {};
    return size + [...children, ...blobs].reduce((sum, each) => sum + imageBytes(each), 0);
  };
  const usage: ContentUsage = {
    blobs: async () => [...registry.content.values()].filter(({ kind }) => kind === 'blob').length,
    bytesOf,
    imageBytes: async (manifests) => manifests.map(({ digest }) => imageBytes(digest)),
  };
  const quotas = (quotaBytes: number): QuotaTags => ({
    quotas: async () => ({ quotas: [{ ...QUOTA, quotaBytes }], next: undefined }),
    async leastRecentlyUsed(_, usedBefore, limit, after) {
      const due = byUse().filter((tag) => !tag.pinned && tag.lastUsedAt < usedBefore);
      const from = after === undefined ? due : due.filter((tag) => tag.lastUsedAt > after.lastUsedAt);
      return from.slice(0, limit).map((tag) => ({ ...tag }));
    },
  });
  return { registry, app, usage, bytesOf, quotas };
}

const numbersOf = (report: { readonly steps: readonly { readonly name: string }[] }) =>
  report.steps.find(({ name }) => name === 'reclaim_for_quota');

describe('what goes for a quota', () => {
  test('is the least recently pulled, and no more than has to', async () => {
    const { registry, usage, bytesOf, quotas } = organizationOf(200);
    const gc = gcOf(registry, { quotas: quotas(50 * 21), usage });
    const dry = await gc.runOnce({ dryRun: true });
    const report = await gc.runOnce();
    expect(numbersOf(report)).toMatchObject({ organizations: 1, expired: 150, over: 0 });
    expect(dry.expired).toEqual(report.expired);
    expect(await bytesOf()).toBe(50 * 21);
    expect([...registry.cachedTags.values()].map(({ lastUsedAt }) => lastUsedAt).sort()[0]).toBe(
      registry.clock.now() - 50,
    );
  });

  test('is an image with all its tags and uses by digest, and not where a pin or a later pull keeps it', async () => {
    const { registry, app, usage, quotas } = organizationOf(4);
    const now = registry.clock.now();
    const [first, second] = [...registry.cachedTags.values()];
    registry.tag(app, 'pinned', first?.digest ?? digestNamed('none'), { pinned: true, lastUsedAt: 0 });
    registry.tag(app, 'latest', second?.digest ?? digestNamed('none'), { lastUsedAt: now + 1, stalenessPeriodS: 99 });
    const gc = gcOf(registry, { quotas: quotas(3 * 21), usage });
    const dry = await gc.runOnce({ dryRun: true });
    const report = await gc.runOnce();
    expect(report.expired.map(({ reference }) => reference)).toEqual(['v2']);
    expect(dry.expired).toEqual(report.expired);
  });

  test('is an index before its children, and those after it although they were pulled by digest', async () => {
    const { registry, app, usage, bytesOf, quotas } = organizationOf(2);
    const [first] = [...registry.cachedTags.values()];
    if (first === undefined) throw new Error('no tag');
    const child = first.digest;
    registry.cachedTags.delete(`${repositoryKey(app)}\nv0`);
    registry.tag(app, 'index', registry.putIndex(app, 'index', [child]), {
      stalenessPeriodS: 86_400,
      lastUsedAt: first.lastUsedAt,
    });
    const use = registry.tag(app, 'by-digest', child, { stalenessPeriodS: 86_400, lastUsedAt: first.lastUsedAt - 1 });
    use.reference = { kind: 'digest', digest: child };
    const report = await gcOf(registry, { quotas: quotas(21), usage }).runOnce();
    expect(report.expired.map(({ reference }) => reference)).toEqual(['index', child]);
    expect(await bytesOf()).toBe(21);
  });

  test('does not count what has expired anyhow', async () => {
    const { registry, usage, quotas } = organizationOf(10);
    for (const tag of [...registry.cachedTags.values()].slice(0, 3)) tag.stalenessPeriodS = 0;
    registry.clock.advance({ seconds: 1 });
    for (const [images, forQuota] of [
      [7, 0],
      [6, 1],
    ]) {
      const gc = gcOf(registry, { quotas: quotas((images ?? 0) * 21), usage });
      const dry = await gc.runOnce({ dryRun: true });
      expect(dry.expired.filter(({ reason }) => reason === 'quota')).toHaveLength(forQuota ?? 0);
      expect(dry.expiredTotal).toBe(3 + (forQuota ?? 0));
    }
    const gc = gcOf(registry, { quotas: quotas(6 * 21), usage });
    const dry = await gc.runOnce({ dryRun: true });
    const report = await gc.runOnce();
    expect(report.expired).toEqual(dry.expired);
  });
});

describe('taking for a quota stops', () => {
  const broken = () => {
    throw Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' });
  };

  test('before it begins when the sweep fails', async () => {
    const { registry, usage, quotas } = organizationOf(300);
    registry.before.candidates = broken;
    const report = await gcOf(registry, { quotas: quotas(299 * 21 + 11), usage }).runOnce();
    expect(report).toMatchObject({ outcome: 'failed', expiredTotal: 0 });
    expect(registry.cachedTags.size).toBe(300);
  });

  test.each(['candidates', 'inspect', 'remove'] as const)('at the first batch whose sweep fails: %s', async (port) => {
    const { registry, usage, quotas } = organizationOf(300);
    registry.before.expire = () => {
      // The manifests go before the blobs, so that something is freed all the same.
      let calls = 0;
      registry.before[port] = () => {
        calls += 1;
        if (port !== 'remove' || calls > 1) broken();
      };
    };
    const report = await gcOf(registry, { quotas: quotas(100 * 21), usage }).runOnce();
    expect(report.outcome).toBe('failed');
    expect(numbersOf(report)).toMatchObject({ expired: 100, over: 1 });
    expect(registry.cachedTags.size).toBe(200);
  });

  test('where it frees nothing', async () => {
    const { registry, usage, quotas } = organizationOf(300);
    const bytesOf = async () => 300 * 21;
    const report = await gcOf(registry, { quotas: quotas(100), usage: { ...usage, bytesOf } }).runOnce();
    expect(numbersOf(report)).toMatchObject({ expired: 100, over: 1 });
    expect(registry.cachedTags.size).toBe(200);
  });

  test('at the brake, before the first tag goes; what expires in the same run counts', async () => {
    // 12 images of 100 blobs: 6 expire, 6 would go for the quota, and of the 12 only both are too many.
    const { registry, usage, quotas } = organizationOf(12, 99);
    for (const tag of [...registry.cachedTags.values()].slice(0, 6)) tag.stalenessPeriodS = 0;
    registry.clock.advance({ seconds: 1 });
    const gc = (quotaBytes: number) => gcOf(registry, { quotas: quotas(quotaBytes), usage });
    expect((await gc(1).runOnce({ dryRun: true })).brake).toEqual({ blobs: 1_200, of: 1_200 });
    const report = await gc(1).runOnce();
    expect(report).toMatchObject({ outcome: 'braked', brake: { blobs: 1_200, of: 1_200 }, expiredTotal: 0, steps: [] });
    expect(registry.removals).toEqual([]);
  });

  test('at the brake when it turns out only on the way, with the batch at hand', async () => {
    const { registry, usage, quotas } = organizationOf(12, 99);
    for (const tag of [...registry.cachedTags.values()].slice(0, 6)) tag.stalenessPeriodS = 0;
    registry.clock.advance({ seconds: 1 });
    // Nobody is over a quota until the first tags are gone.
    let quotaBytes = 1_000_000;
    registry.before.expire = () => {
      quotaBytes = 1;
    };
    const growing: QuotaTags = {
      ...quotas(1),
      quotas: async () => ({ quotas: [{ ...QUOTA, quotaBytes }], next: undefined }),
    };
    const report = await gcOf(registry, { quotas: growing, usage }).runOnce();
    expect(report).toMatchObject({ outcome: 'braked', brake: { blobs: 1_200 } });
    expect(registry.removals.filter((each) => each.startsWith('content'))).toEqual([]);
    expect([...registry.links.values()].filter(({ kind }) => kind === 'blob')).toHaveLength(600);
  });

  test('and never begins where nothing can be swept', async () => {
    const { registry, usage, quotas } = organizationOf(10);
    const report = await gcOf(registry, { quotas: quotas(1), usage, sweep: undefined }).runOnce();
    expect(numbersOf(report)).toBeUndefined();
    expect(registry.cachedTags.size).toBe(10);
  });
});
