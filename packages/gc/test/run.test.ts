import { USE_MARGIN_MS } from '@breakwater/gc';
import { movableClock } from '@breakwater/test-kit';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { digestNamed, FakeRegistry, repositoryNamed, UPSTREAM } from './fake-registry.js';
import { gcOf } from './test-gc.js';

const app = repositoryNamed('app');
const HOUR = 3_600_000;

function registryWithIndex(): FakeRegistry {
  const registry = new FakeRegistry(movableClock());
  const amd64 = registry.putImage(app, 'amd64', ['base', 'amd64-layer']);
  const arm64 = registry.putImage(app, 'arm64', ['base', 'arm64-layer']);
  const index = registry.putIndex(app, 'index', [amd64, arm64]);
  const nested = registry.putIndex(app, 'nested', [index]);
  registry.tag(app, 'latest', nested);
  return registry;
}

describe('a run', () => {
  test('with a grace of 0 frees the tag, the index, its children, their blobs and the space at once', async () => {
    const registry = registryWithIndex();
    registry.clock.advance({ seconds: 100, ms: 1 });
    const report = await gcOf(registry).runOnce();
    expect(report).toMatchObject({ outcome: 'done', dryRun: false, expiredTotal: 1 });
    expect(report.expired).toMatchObject([{ reference: 'latest', reason: 'lapsed', upstream: UPSTREAM }]);
    expect(report.freed).toMatchObject({ manifests: 4, blobs: 5, bytes: 54 });
    expect(registry.links.size).toBe(0);
    expect(registry.content.size).toBe(0);
    expect(report.steps.map(({ name }) => name)).toEqual([
      'expire_tags',
      'plan_sweep',
      'sweep_manifests',
      'sweep_blobs',
      'dispose',
    ]);
  });

  test('does so too when the clock has not moved since the last use', async () => {
    const registry = new FakeRegistry(movableClock());
    registry.putImage(app, 'untagged', ['layer']);
    const report = await gcOf(registry).runOnce();
    expect(report.freed).toMatchObject({ manifests: 1, blobs: 2, bytes: 21 });
  });

  test('removes nothing of a tag exactly as old as its staleness period', async () => {
    const registry = registryWithIndex();
    registry.clock.advance({ seconds: 100 });
    const report = await gcOf(registry).runOnce();
    expect(registry.removals).toEqual([]);
    expect(report.kept.within_staleness).toBe(1);
  });

  test('waits for the grace and its margin, then frees everything in one run', async () => {
    const registry = registryWithIndex();
    const gc = gcOf(registry, { graceMs: HOUR });
    registry.clock.advance({ ms: HOUR + USE_MARGIN_MS });
    const early = await gc.runOnce();
    expect(early.expiredTotal).toBe(1);
    expect(early.freed.manifests).toBe(0);
    expect(registry.content.size).toBe(9);
    registry.clock.advance({ ms: 1 });
    const late = await gc.runOnce();
    expect(late.freed).toMatchObject({ manifests: 4, blobs: 5, bytes: 54 });
  });

  test('keeps what another tag needs', async () => {
    const registry = registryWithIndex();
    const other = registry.putImage(app, 'other', ['base']);
    registry.tag(app, 'other', other, { stalenessPeriodS: 1000 });
    registry.clock.advance({ seconds: 500 });
    const report = await gcOf(registry).runOnce();
    expect(report.freed.manifests).toBe(4);
    expect(registry.isWhole(app, other)).toBe(true);
    expect(registry.content.size).toBe(3);
  });

  test('keeps a tag that was used after it was listed, and says so', async () => {
    const registry = registryWithIndex();
    registry.clock.advance({ days: 1 });
    registry.before.expire = () => {
      for (const tag of registry.cachedTags.values()) tag.lastUsedAt = registry.clock.now();
    };
    const report = await gcOf(registry).runOnce();
    expect(report.kept.changed).toBe(1);
    expect(registry.removals).toEqual([]);
  });

  test('goes through thousands of tags page by page and names the first 1000', async () => {
    const registry = new FakeRegistry(movableClock());
    const digest = registry.putImage(app, 'image', []);
    for (let count = 0; count < 1203; count += 1) registry.tag(app, `t${count}`, digest);
    registry.clock.advance({ days: 1 });
    const report = await gcOf(registry).runOnce();
    expect(report.expiredTotal).toBe(1203);
    expect(report.expired).toHaveLength(1000);
    expect(registry.cachedTags.size).toBe(0);
  });

  test('does without every port that may be left out', async () => {
    const registry = registryWithIndex();
    registry.clock.advance({ days: 1 });
    const gc = gcOf(registry, { upstreams: undefined, sweep: undefined, disposal: undefined, use: undefined });
    const report = await gc.runOnce();
    expect(report).toMatchObject({ outcome: 'done', expiredTotal: 1, freed: { manifests: 0, blobs: 0, bytes: 0 } });
  });
});

test('where nothing is swept, what tags have left is forgotten page by page, by a run and by no dry run', async () => {
  const registry = registryWithIndex();
  const [digest] = registry.content.keys();
  let waiting = Array.from({ length: 1_203 }, (_, id) => ({
    id: String(id),
    repository: app,
    digest: digest as never,
  }));
  const released = {
    list: async (_: string | undefined, limit: number) => ({
      manifests: waiting.slice(0, limit),
      next: waiting.length > limit ? 'more' : undefined,
    }),
    forget: async (ids: readonly string[]) => {
      waiting = waiting.filter(({ id }) => !ids.includes(id));
    },
  };
  const gc = gcOf(registry, { released, sweep: undefined, disposal: undefined });
  await gc.runOnce({ dryRun: true });
  expect(waiting).toHaveLength(1_203);
  const { steps } = await gc.runOnce();
  expect(steps.at(-1)).toMatchObject({ name: 'forget_released', forgotten: 1_203 });
  expect(waiting).toEqual([]);
});

describe('the hold', () => {
  function registryDueAndDown(): FakeRegistry {
    const registry = registryWithIndex();
    registry.clock.advance({ days: 1 });
    const now = registry.clock.now();
    registry.upstream.condition = { down: true, downSince: now - HOUR, lastHeardAt: now };
    return registry;
  }

  test('keeps what would go while the upstream is down, and says since when', async () => {
    const registry = registryDueAndDown();
    const report = await gcOf(registry).runOnce();
    expect(registry.removals).toEqual([]);
    expect(report.kept.held).toBe(1);
    expect(report.held).toEqual([
      { organization: 'acme', upstream: UPSTREAM, downSince: registry.clock.now() - HOUR, tags: 1 },
    ]);
    expect(registry.upstream.checks).toBe(0);
  });

  test('ends with the outage, after holdMs, and is not there with 0', async () => {
    const recovered = registryDueAndDown();
    recovered.upstream.condition = { down: false, lastHeardAt: recovered.clock.now() };
    expect((await gcOf(recovered).runOnce()).expiredTotal).toBe(1);

    expect((await gcOf(registryDueAndDown(), { holdMs: HOUR - 1 }).runOnce()).expiredTotal).toBe(1);
    expect((await gcOf(registryDueAndDown(), { holdMs: 0 }).runOnce()).expiredTotal).toBe(1);
  });

  test('asks for one fresh check per run when the last word is too old, and believes it', async () => {
    const registry = registryWithIndex();
    for (let count = 0; count < 700; count += 1)
      registry.tag(app, `t${count}`, [...registry.content.keys()][0] ?? digestNamed('none'));
    registry.clock.advance({ days: 1 });
    registry.upstream.condition = { down: false };
    registry.upstream.found = { down: true };
    const report = await gcOf(registry).runOnce();
    expect(registry.upstream.checks).toBe(1);
    expect(report.kept.held).toBe(701);
  });

  test('asks for none while nothing would go', async () => {
    const registry = registryWithIndex();
    registry.upstream.condition = { down: false };
    await gcOf(registry).runOnce();
    expect(registry.upstream.checks).toBe(0);
  });

  test('keeps the tags of an upstream of which nobody can say how it is, on every page', async () => {
    const registry = registryWithIndex();
    for (let count = 0; count < 700; count += 1)
      registry.tag(app, `t${count}`, [...registry.content.keys()][0] ?? digestNamed('none'));
    registry.clock.advance({ days: 1 });
    registry.upstream.condition = { down: false };
    let checks = 0;
    const check = async () => {
      checks += 1;
      throw Object.assign(new Error('no database'), { code: 'ECONNREFUSED' });
    };
    const report = await gcOf(registry, { upstreams: { ...registry.upstreams, check } }).runOnce();
    expect(report.kept.upstream_unknown).toBe(701);
    expect(checks).toBe(1);
    expect(registry.removals).toEqual([]);
  });

  test('keeps the tags of an upstream that nobody could be asked about', async () => {
    const registry = registryWithIndex();
    registry.clock.advance({ days: 1 });
    registry.upstream.condition = { down: false };
    const upstreams = { ...registry.upstreams, check: async () => undefined };
    const report = await gcOf(registry, { upstreams }).runOnce();
    expect(report).toMatchObject({ outcome: 'done', expiredTotal: 0, kept: { upstream_unknown: 1 } });
    expect(registry.removals).toEqual([]);
  });

  test('does not apply to hosted content, which has no upstream', async () => {
    const registry = registryDueAndDown();
    const { upstream: _, ...hosted } = app;
    registry.tag(hosted, 'hosted', registry.putImage(hosted, 'hosted', []), { confirmedAt: 0 });
    const report = await gcOf(registry).runOnce();
    expect(report).toMatchObject({ expiredTotal: 1, kept: { held: 1 } });
  });
});

describe('a dry run', () => {
  test('says of each tag why it goes or stays, and changes nothing', async () => {
    const registry = registryWithIndex();
    const digest = registry.putImage(app, 'other', []);
    registry.putImage(app, 'untagged', ['own-layer']);
    registry.tag(app, 'pinned', digest, { pinned: true });
    registry.tag(app, 'for-ever', digest, { expirationS: 0 });
    registry.tag(app, 'used', digest, { lastUsedAt: registry.clock.now() + 86_400_000, expirationS: 60 });
    registry.tag(app, 'young', digest, { stalenessPeriodS: 86_400 });
    registry.clock.advance({ days: 1 });
    const before = JSON.stringify([...registry.links, ...registry.cachedTags, ...registry.content]);
    const report = await gcOf(registry).runOnce({ dryRun: true });
    expect(JSON.stringify([...registry.links, ...registry.cachedTags, ...registry.content])).toBe(before);
    expect(report.dryRun).toBe(true);
    expect(report.expired.map(({ reference, reason }) => [reference, reason])).toEqual([['latest', 'lapsed']]);
    expect(Object.fromEntries(report.keptTags.map(({ reference, reason }) => [reference, reason]))).toEqual({
      pinned: 'pinned',
      'for-ever': 'kept_for_ever',
      used: 'used_recently',
      young: 'within_staleness',
    });
    const plan = report.steps.find((step) => step.name === 'plan_sweep');
    // The untagged image, and what the expired tag alone keeps.
    expect(plan).toMatchObject({ manifests: 5, blobs: 7 });

    const real = await gcOf(registry).runOnce();
    expect(real.expired).toEqual(report.expired);
    expect(real.links.removed).toEqual(report.links.removed);
    expect(new Set(real.freed.items)).toEqual(new Set(report.freed.items));
  });
});

describe('the brake (G12)', () => {
  function registryWithBlobs(blobs: number): FakeRegistry {
    const registry = new FakeRegistry(movableClock());
    for (let count = 0; count < blobs / 100; count += 1) {
      const layers = Array.from({ length: 99 }, (_, layer) => `layer-${count}-${layer}`);
      registry.tag(app, `t${count}`, registry.putImage(app, `image-${count}`, layers));
    }
    registry.clock.advance({ days: 1 });
    return registry;
  }
  const usageOf = (registry: FakeRegistry, blobs?: number) => ({
    blobs: async () => blobs ?? [...registry.content.values()].filter(({ kind }) => kind === 'blob').length,
    bytesOf: async () => 0,
    imageBytes: async () => [],
  });

  test.each([
    ['1,000 of 1,000', 1_000, undefined, 'done'],
    ['1,100 of 5,500, a fifth', 1_100, 5_500, 'done'],
    ['1,100 of 5,499', 1_100, 5_499, 'braked'],
    ['1,100 of 1,100', 1_100, undefined, 'braked'],
  ])('%s blobs', async (_name, blobs, of, outcome) => {
    const registry = registryWithBlobs(blobs);
    const gc = gcOf(registry, { usage: usageOf(registry, of) });
    const links = registry.links.size;
    const report = await gc.runOnce();
    expect(report.outcome).toBe(outcome);
    expect(registry.links.size).toBe(outcome === 'braked' ? links : 0);
    expect(report.brake).toEqual(outcome === 'braked' ? { blobs, of: of ?? blobs } : undefined);
  });

  test('a dry run says that it will be there, and whoever forces the run goes past it', async () => {
    const registry = registryWithBlobs(1_100);
    const gc = gcOf(registry, { usage: usageOf(registry) });
    const dry = await gc.runOnce({ dryRun: true });
    expect(dry).toMatchObject({ outcome: 'done', brake: { blobs: 1_100, of: 1_100 } });
    expect(await gc.runOnce({ force: true })).toMatchObject({ outcome: 'done', freed: { blobs: 1_100 } });
    expect(registry.content.size).toBe(0);
  });

  test('with more than 1,000 tags not one of them goes either', async () => {
    const registry = registryWithBlobs(1_100);
    const [digest] = registry.content.keys();
    for (let count = 0; count < 1_000; count += 1)
      registry.tag(app, `more-${count}`, digest ?? digestNamed('none'), { confirmedAt: 0 });
    const report = await gcOf(registry, { usage: usageOf(registry) }).runOnce();
    expect(report).toMatchObject({ outcome: 'braked', expiredTotal: 0, steps: [] });
    expect(registry.removals).toEqual([]);
  });
});

test('a run of one organization leaves the others alone', async () => {
  const registry = registryWithIndex();
  const other = {
    ...app,
    organization: repositoryNamed('x').organization.replace('acme', 'other') as typeof app.organization,
  };
  registry.tag(other, 'latest', registry.putImage(other, 'theirs', ['their-layer']));
  registry.clock.advance({ days: 1 });
  const dry = await gcOf(registry).runOnce({ dryRun: true, organization: other.organization });
  const report = await gcOf(registry).runOnce({ organization: other.organization });
  expect(report).toMatchObject({ expiredTotal: 1, organization: 'other', freed: { manifests: 1, blobs: 2 } });
  expect(dry.links.removed).toEqual(report.links.removed);
  expect(registry.cachedTags.size).toBe(1);
  expect(registry.content.size).toBe(9);
});

test('stale files of every sort are dropped, and one sort that fails keeps no other', async () => {
  const registry = new FakeRegistry(movableClock());
  const asked: unknown[] = [];
  const sort = (name: string) => ({
    name,
    drop: async (before: number, dryRun: boolean) => {
      asked.push([name, registry.clock.now() - before, dryRun]);
      if (name === 'broken') throw Object.assign(new Error('EIO'), { code: 'EIO' });
      return { files: 2, bytes: 10 };
    },
  });
  const gc = gcOf(registry, { staleFiles: [sort('broken'), sort('uploads')], graceMs: HOUR });
  const report = await gc.runOnce();
  expect(report.steps.at(-1)).toMatchObject({ name: 'drop_stale_files', files: 2, bytes: 10, error: 'EIO' });
  await gc.runOnce({ dryRun: true });
  expect(asked.slice(1)).toEqual([
    ['uploads', HOUR, false],
    ['broken', HOUR, true],
    ['uploads', HOUR, true],
  ]);
});

describe('failing closed (G11)', () => {
  const broken = () => {
    throw Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' });
  };

  test.each(['list', 'pointingTo', 'candidates', 'inspect'] as const)(
    'an error in %s deletes nothing that relies on it',
    async (port) => {
      const registry = registryWithIndex();
      registry.clock.advance({ days: 1 });
      registry.before[port] = broken;
      const report = await gcOf(registry).runOnce();
      expect(report.outcome).toBe('failed');
      expect(report.steps.map((step) => step.error)).toContain('ECONNREFUSED');
      const tagged = port === 'list' ? 1 : 0;
      expect(registry.cachedTags.size).toBe(tagged);
      expect(registry.content.size).toBe(9);
      expect(registry.links.size).toBe(9);
    },
  );

  test('an error half way keeps what was not reached and reports what was done', async () => {
    const registry = new FakeRegistry(movableClock());
    const digest = registry.putImage(app, 'image', []);
    for (let count = 0; count < 600; count += 1) registry.tag(app, `t${count}`, digest);
    registry.clock.advance({ days: 1 });
    let calls = 0;
    registry.before.list = () => {
      calls += 1;
      if (calls === 2) broken();
    };
    const report = await gcOf(registry).runOnce();
    expect(report).toMatchObject({ outcome: 'failed', expiredTotal: 500 });
    expect(report.steps[0]).toMatchObject({ name: 'expire_tags', error: 'ECONNREFUSED', expired: 500 });
    expect(registry.cachedTags.size).toBe(100);
    expect(registry.isWhole(app, digest)).toBe(true);
  });

  test('a port that answers too few questions is not trusted', async () => {
    const registry = registryWithIndex();
    registry.clock.advance({ days: 1 });
    const tags = { ...registry.tags, pointingTo: async () => [] };
    const report = await gcOf(registry, { tags }).runOnce();
    expect(report.steps[1]).toMatchObject({ name: 'plan_sweep', error: 'GC_PROTOCOL' });
    expect(registry.content.size).toBe(9);
  });

  test('a listing that goes round in circles is left', async () => {
    const registry = registryWithIndex();
    const tags = { ...registry.tags, list: async () => ({ tags: [], next: 'again' }) };
    const report = await gcOf(registry, { tags }).runOnce();
    expect(report.steps[0]).toMatchObject({ error: 'GC_PROTOCOL' });
  });
});

describe('one at a time', () => {
  test('a second run is refused while one is in flight, and allowed after it', async () => {
    const gc = gcOf(registryWithIndex());
    const first = gc.runOnce();
    await expect(gc.runOnce()).rejects.toMatchObject({ code: 'GC_RUNNING' });
    await first;
    await expect(gc.runOnce()).resolves.toMatchObject({ outcome: 'done' });
  });

  test('two collectors without a common database delete nothing twice', async () => {
    const registry = registryWithIndex();
    registry.clock.advance({ days: 1 });
    const reports = await Promise.all([gcOf(registry).runOnce(), gcOf(registry).runOnce()]);
    expect(new Set(registry.removals).size).toBe(registry.removals.length);
    expect(reports.reduce((sum, { expiredTotal }) => sum + expiredTotal, 0)).toBe(1);
    expect(reports.reduce((sum, { freed }) => sum + freed.bytes, 0)).toBe(54);
  });

  test('a listener that throws costs nothing', async () => {
    const gc = gcOf(registryWithIndex());
    gc.events.on('finished', () => {
      throw new Error('a listener');
    });
    await expect(gc.runOnce()).resolves.toMatchObject({ outcome: 'done' });
  });
});

describe('stopping', () => {
  test('ends the run in flight at a safe point, waits for it, and lets no other begin', async () => {
    const registry = new FakeRegistry(movableClock());
    const digest = registry.putImage(app, 'image', []);
    for (let count = 0; count < 300; count += 1) registry.tag(app, `t${count}`, digest);
    registry.clock.advance({ days: 1 });
    const gc = gcOf(registry);
    let stopping: Promise<void> | undefined;
    registry.before.expire = () => {
      stopping ??= gc.stop();
    };
    const report = await gc.runOnce();
    await stopping;
    expect(report).toMatchObject({ outcome: 'stopped', expiredTotal: 100 });
    expect(report.steps).toHaveLength(1);
    await expect(gc.runOnce()).rejects.toMatchObject({ code: 'GC_STOPPED' });
  });

  test('start runs on the interval and survives failures; stop ends it', async () => {
    const registry = registryWithIndex();
    let runs = 0;
    const rejected: unknown[] = [];
    const gc = gcOf(registry, { intervalMs: 2 });
    gc.events.on('rejected', (error) => rejected.push(error));
    registry.before.list = () => {
      runs += 1;
      throw new Error('every time');
    };
    const thrice = new Promise<void>((resolve) => gc.events.on('finished', () => runs >= 3 && resolve()));
    gc.start();
    gc.start();
    // The schedule does not keep a process alive; the test does.
    const awake = setInterval(() => {}, 1000);
    await thrice;
    clearInterval(awake);
    await gc.stop();
    const atStop = runs;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(runs).toBe(atStop);
    expect(rejected).toEqual([]);
  });
});

describe('any history', () => {
  const names = ['a', 'b', 'c', 'd'] as const;
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('pull'), name: fc.constantFrom(...names), image: fc.nat(3) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('wait'), s: fc.integer({ min: 1, max: 200 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('pin'), name: fc.constantFrom(...names) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('outage'), down: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('gc') }) },
  );

  test('leaves whole what a tag points to, takes no tag early, and holds during outages (I5)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step as fc.Arbitrary<Record<string, unknown>>, { maxLength: 40 }),
        fc.constantFrom(0, 30_000),
        async (history, graceMs) => {
          const registry = new FakeRegistry(movableClock());
          const gc = gcOf(registry, { graceMs });
          for (const event of history) {
            const now = registry.clock.now();
            const key = `acme\n${UPSTREAM}\napp\n${String(event['name'])}`;
            if (event['do'] === 'pull') {
              const child = registry.putImage(app, `image-${event['image']}`, ['shared', `layer-${event['image']}`]);
              const index = registry.putIndex(app, `index-${event['image']}`, [child]);
              registry.tag(app, String(event['name']), index, { stalenessPeriodS: 50, expirationS: 60 });
            }
            if (event['do'] === 'wait') registry.clock.advance({ seconds: Number(event['s']) });
            if (event['do'] === 'pin') {
              const tag = registry.cachedTags.get(key);
              if (tag !== undefined) tag.pinned = true;
            }
            if (event['do'] === 'outage')
              registry.upstream.condition = { down: event['down'] === true, downSince: now, lastHeardAt: now };
            if (event['do'] !== 'gc') continue;
            const before = [...registry.cachedTags.values()].map((tag) => ({ ...tag }));
            const report = await gc.runOnce();
            expect(report.outcome).toBe('done');
            const left = new Set([...registry.cachedTags.values()].map((tag) => JSON.stringify(tag)));
            for (const tag of before) {
              if (left.has(JSON.stringify(tag))) continue;
              expect(tag.pinned).toBe(false);
              expect(now - tag.confirmedAt).toBeGreaterThan(50_000);
              expect(now - tag.lastUsedAt).toBeGreaterThan(60_000);
              expect(registry.upstream.condition.down).toBe(false);
            }
            for (const tag of registry.cachedTags.values()) expect(registry.isWhole(app, tag.digest)).toBe(true);
            if (graceMs === 0) {
              const live = new Set([...registry.cachedTags.values()].map(({ digest }) => digest));
              expect([...registry.content.values()].filter(({ children }) => children.length > 0)).toHaveLength(
                live.size,
              );
            }
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});
