import { type ExpirableTag, parseSubject } from '@breakwater/gc';
import { movableClock } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import { digestNamed, FakeRegistry, repositoryNamed, UPSTREAM } from './fake-registry.js';
import { gcOf } from './test-gc.js';

// Why one thing goes or stays: what an explanation says is what a run that began at that moment does.

const app = repositoryNamed('team/app');
const HOUR_MS = 3_600_000;

function registryWith(facts: Partial<ExpirableTag> = {}): FakeRegistry {
  const registry = new FakeRegistry(movableClock());
  const digest = registry.putImage(app, 'image', ['layer']);
  registry.putIndex(app, 'index', [digest]);
  registry.tag(app, 'v1', digestNamed('index'), facts);
  return registry;
}

test.each<[string, Partial<ExpirableTag>, number, object]>([
  ['pinned', { pinned: true }, 200, { action: 'keep', reason: 'pinned' }],
  ['within its staleness period', {}, 100, { action: 'keep', reason: 'within_staleness' }],
  ['past it, without expiration', {}, 101, { action: 'expire', reason: 'lapsed' }],
  ['kept for ever', { expirationS: 0 }, 200, { action: 'keep', reason: 'kept_for_ever' }],
  ['pulled within its expiration', { expirationS: 500 }, 200, { action: 'keep', reason: 'used_recently' }],
  ['past both', { expirationS: 150 }, 200, { action: 'expire', reason: 'lapsed_and_unused' }],
])('a tag that is %s', async (_what, facts, s, verdict) => {
  const registry = registryWith(facts);
  registry.clock.advance({ ms: s * 1000 });
  const gc = gcOf(registry);
  const { tags, links } = await gc.explain('acme/team/app:v1');
  expect(tags).toEqual([
    { tag: registry.cachedTags.values().next().value, ageMs: s * 1000, hold: { kind: 'free' }, verdict },
  ]);
  expect(links).toEqual([]);
  expect(registry.removals).toEqual([]);
  const { expiredTotal } = await gc.runOnce();
  expect(expiredTotal).toBe((verdict as { action: string }).action === 'expire' ? 1 : 0);
});

test('a tag whose upstream is down, or of which nobody can say, is held back', async () => {
  const registry = registryWith();
  registry.clock.advance({ days: 1 });
  const now = registry.clock.now();
  registry.upstream.condition = { down: true, downSince: now - 5, lastHeardAt: now };
  expect((await gcOf(registry).explain('acme/team/app:v1')).tags).toMatchObject([
    {
      hold: { kind: 'held', downSince: now - 5 },
      verdict: { action: 'keep', reason: 'held', upstream: UPSTREAM, downSince: now - 5 },
    },
  ]);
  const upstreams = { condition: async () => Promise.reject(new Error('no database')), check: async () => undefined };
  expect((await gcOf(registry, { upstreams }).explain('acme/team/app:v1')).tags).toMatchObject([
    { hold: { kind: 'unknown' }, verdict: { action: 'keep', reason: 'upstream_unknown' } },
  ]);
});

test('what a tag keeps names what refers to it, down to the layer', async () => {
  const registry = registryWith();
  registry.clock.advance({ ms: 50_000 });
  const gc = gcOf(registry);
  const of = async (name: string) => (await gc.explain(digestNamed(name))).links;
  expect(await of('index')).toMatchObject([
    {
      repository: app,
      kind: 'manifest',
      leaseLeftMs: 0,
      referencedBy: {
        total: 1,
        more: false,
        cachedTags: [{ tag: { reference: { tag: 'v1' } }, verdict: { reason: 'within_staleness' } }],
        manifests: [],
      },
      verdict: { action: 'keep', reason: 'tagged' },
    },
  ]);
  expect(await of('image')).toMatchObject([
    { referencedBy: { total: 1, manifests: [digestNamed('index')] }, verdict: { action: 'keep', reason: 'needed' } },
  ]);
  expect(await of('layer')).toMatchObject([
    {
      kind: 'blob',
      referencedBy: { total: 1, manifests: [digestNamed('image')] },
      verdict: { action: 'keep', reason: 'needed' },
    },
  ]);
});

test('what only things need that go themselves goes with them, unless it was pulled within the grace', async () => {
  const registry = registryWith();
  registry.clock.advance({ ms: 200_000 });
  for (const name of ['index', 'image', 'layer']) {
    const { links } = await gcOf(registry).explain(digestNamed(name));
    expect(links).toMatchObject([{ verdict: { action: 'remove', reason: 'unreachable' } }]);
    // Used 200 s ago, with a grace of an hour and its margin of ten seconds.
    const leased = await gcOf(registry, { graceMs: HOUR_MS }).explain(digestNamed(name));
    expect(leased.links).toMatchObject([
      { leaseLeftMs: HOUR_MS + 10_000 - 200_000 + 1, verdict: { action: 'keep', reason: 'leased' } },
    ]);
  }
  await gcOf(registry).runOnce();
  expect(registry.links.size).toBe(0);
});

test('what is stored without a link is freed, and what is linked elsewhere is told apart from what is linked here', async () => {
  const registry = registryWith();
  const other = repositoryNamed('other');
  const digest = registry.putImage(other, 'image', ['layer']);
  const gc = gcOf(registry);
  expect((await gc.explain(digest)).linksTotal).toBe(2);
  expect(await gc.explain(`acme/other@${digest}`)).toMatchObject({
    stored: [{ kind: 'manifest', links: 2 }],
    links: [{ repository: other, verdict: { action: 'remove' } }],
  });
  registry.links.clear();
  expect(await gc.explain(digest)).toMatchObject({ stored: [{ kind: 'manifest', size: 1, links: 0 }], links: [] });
});

test('of many that refer to it twenty are named and all are counted', async () => {
  const registry = registryWith();
  for (let number = 0; number < 30; number += 1) registry.tag(app, `t${number}`, digestNamed('index'));
  const { links } = await gcOf(registry).explain(digestNamed('index'));
  expect(links[0]?.referencedBy).toMatchObject({ total: 31, more: false });
  expect(links[0]?.referencedBy.cachedTags).toHaveLength(20);
});

test('what is not there, and what is no reference, is said to be so; without a sweep only tags are known', async () => {
  const registry = registryWith();
  const gc = gcOf(registry);
  for (const unknown of ['acme/team/app:v2', 'acme/other:v1', digestNamed('nothing')]) {
    await expect(gc.explain(unknown)).rejects.toMatchObject({ code: 'GC_UNKNOWN_REFERENCE' });
  }
  for (const wrong of ['', 'v1', 'acme/app', 'acme/app@v1', `acme/app:${digestNamed('image')}`, 'acme/App:v1']) {
    expect(parseSubject(wrong)).toBeUndefined();
    await expect(gc.explain(wrong)).rejects.toMatchObject({ code: 'GC_NO_REFERENCE' });
  }
  const bare = gcOf(registry, { sweep: undefined, disposal: undefined });
  expect((await bare.explain('acme/team/app:v1')).tags).toHaveLength(1);
  await expect(bare.explain(digestNamed('index'))).rejects.toMatchObject({ code: 'GC_UNKNOWN_REFERENCE' });
});
