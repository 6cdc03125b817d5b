import type { LinkSweep } from '@breakwater/gc';
import { type Digest, repositoryKey } from '@breakwater/registry-core';
import { movableClock } from '@breakwater/test-kit';
import { describe, expect, test } from '@jest/globals';
import { FakeRegistry, repositoryNamed } from './fake-registry.js';
import { gcOf } from './test-gc.js';

// The brake (G12) where what would go does not fit into one plan: it counts everything before the first deletion.

const app = repositoryNamed('app');
/** Links that are planned at once; a brake that saw only so many blobs would never be pulled. */
const AT_ONCE = 300;

/** Images of a configuration and 99 layers of their own, a tag for each. */
function registryWith(images: number, facts: { readonly kept?: number; readonly tags?: number } = {}): FakeRegistry {
  const registry = new FakeRegistry(movableClock());
  for (let count = 0; count < images; count += 1) {
    const layers = Array.from({ length: 99 }, (_, layer) => `layer-${count}-${layer}`);
    const digest = registry.putImage(app, `image-${count}`, layers);
    const pinned = count < (facts.kept ?? 0);
    for (let tag = 0; tag < (facts.tags ?? 1); tag += 1) registry.tag(app, `t${count}-${tag}`, digest, { pinned });
  }
  registry.clock.advance({ days: 1 });
  return registry;
}

/** As the fake does it, for images that share nothing: at once, and not by looking through all links for each. */
function fastInspect(registry: FakeRegistry): LinkSweep['inspect'] {
  const keeper = new Map<Digest, Digest>();
  for (const [digest, { blobs }] of registry.content) for (const blob of blobs) keeper.set(blob, digest);
  return async (links) =>
    links.map((asked) => {
      const link = registry.links.get(`${repositoryKey(asked.repository)}\n${asked.digest}`);
      if (link === undefined) return undefined;
      const by = keeper.get(asked.digest);
      const isKept = by !== undefined && registry.links.has(`${repositoryKey(asked.repository)}\n${by}`);
      const blobs = registry.content.get(asked.digest)?.blobs ?? [];
      return {
        ...link,
        tags: [],
        keptBy: isKept ? [by] : [],
        more: false,
        keeps: blobs.map((digest) => ({ kind: 'blob' as const, digest })),
      };
    });
}

function collecting(registry: FakeRegistry, of?: number, atOnce = AT_ONCE) {
  const sweep = { ...registry.sweep, inspect: fastInspect(registry) };
  const usage = {
    blobs: async () => of ?? [...registry.content.values()].filter(({ kind }) => kind === 'blob').length,
    bytesOf: async () => 0,
    imageBytes: async () => [],
  };
  return gcOf(registry, { usage, sweep, maxPlannedLinks: atOnce });
}

describe.each([
  ['a tag for each image', 1],
  ['more than 1,000 tags', 100],
])('%s', (_name, tags) => {
  test('too much of it goes nowhere, not even in part', async () => {
    const registry = registryWith(11, { tags });
    const links = registry.links.size;
    const report = await collecting(registry).runOnce();
    expect(report).toMatchObject({ outcome: 'braked', brake: { blobs: 1_100, of: 1_100 } });
    expect(registry.links.size).toBe(links);
    expect(registry.removals.filter((each) => !each.startsWith('tag'))).toEqual([]);
    expect(await collecting(registry).runOnce()).toMatchObject({ outcome: 'braked' });
    expect(registry.links.size).toBe(links);
  });

  test('the dry run says so', async () => {
    const dry = await collecting(registryWith(11, { tags })).runOnce({ dryRun: true });
    expect(dry.brake).toEqual({ blobs: 1_100, of: 1_100 });
  });
});

test('what is much and not too much goes, round by round', async () => {
  const registry = registryWith(12, { kept: 1 });
  const report = await collecting(registry, 5_500).runOnce();
  expect(report).toMatchObject({ outcome: 'done', freed: { blobs: 1_100, manifests: 11 } });
  expect(registry.links.size).toBe(101);
});

test('forced it goes, however much it is', async () => {
  const registry = registryWith(11);
  expect(await collecting(registry).runOnce({ force: true })).toMatchObject({
    outcome: 'done',
    freed: { blobs: 1_100 },
  });
  expect(registry.content.size).toBe(0);
});

test('more than can be counted is too much', async () => {
  // 11 images are 1,111 links, and 20 times 50 are counted.
  const registry = registryWith(11);
  const report = await collecting(registry, 1_000_000, 50).runOnce();
  expect(report).toMatchObject({ outcome: 'braked', brake: { of: 1_000_000 } });
  expect(registry.removals.filter((each) => !each.startsWith('tag'))).toEqual([]);
});
