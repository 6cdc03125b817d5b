import type { ExpirableTag, QuotaTags } from '@breakwater/gc';
import type { ContentUsage } from '@breakwater/registry-core';
import { movableClock } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import { digestNamed, FakeRegistry, repositoryNamed, UPSTREAM } from './fake-registry.js';
import { gcOf } from './test-gc.js';

// Quotas: the dry run names all that would go, and room is what is left or may be taken.

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
