import { setTimeout as sleep } from 'node:timers/promises';
import {
  buildImage,
  movableClock,
  rawGet,
  registryState,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';

// I2: a hanging upstream delays pulls by at most the check budget, once per window and not once per pull, over all
// processes and restarts.

const BUDGET_MS = 300;
const HEADERS_MS = 1_000;
/** The first windows are 5 s and 10 s, give or take a fifth. */
const PAST_FIRST_WINDOW_S = 7;
const PAST_SECOND_WINDOW_S = 13;
const TOLD_WITHIN_MS = 10_000;
/** One hangs for longer than three looks at what is due. */
const HUNG_FOR_MS = 6_000;
const FOUND_WITHIN_MS = 3_000;

test('F3: of 1,000 pulls over two registries and a restart only the first waits; one attempt per window', async () => {
  const clock = movableClock(Date.now());
  await using upstream = await startFaultUpstream();
  const image = buildImage({ seed: 'hung' });
  upstream.add('team/app', 'v1', image);
  await using state = await registryState();
  const deadlines = { checkBudgetMs: BUDGET_MS, headersMs: HEADERS_MS, clientBudgetMs: 2_000 };
  const start = () => startTestRegistry({ on: state, clock, deadlines });
  await using one = await start();
  let two = await start();
  try {
    const settings = { upstream_registry: upstream.host, staleness_period_s: 3_600, check_interval_s: 0 };
    const organization = await one.proxyOrganization(settings);
    const pull = (registry: TestRegistry) => rawGet(`${registry.url}/v2/${organization}/team/app/manifests/v1`);
    const attempts = () => upstream.count({ kind: 'manifest' });
    const isShielded = async (registry: TestRegistry) => {
      const answer = await pull(registry);
      expect(answer).toMatchObject({ status: 200, sha256: image.manifest.digest.slice('sha256:'.length) });
      expect(answer.headers['warning']).toMatch(/^299 - ".*\(timeout\)/);
      return answer;
    };
    const failures = async () => {
      const where = { origin: upstream.origins.registry, credential: '' };
      return Number((await state.database.knex('upstream_health').where(where).first())?.failures ?? 0);
    };
    const failuresReach = async (wanted: number) => {
      for (let waited = 0; waited < TOLD_WITHIN_MS && (await failures()) < wanted; waited += 50) await sleep(50);
      expect(await failures()).toBe(wanted);
    };
    await pull(one);
    clock.advance({ minutes: 30 });
    upstream.fault({ kind: 'no-answer', by: 'stall' });
    upstream.reset();

    const first = await isShielded(one);
    expect(first.headersAfterMs).toBeGreaterThanOrEqual(BUDGET_MS - 20);
    expect(first.headersAfterMs).toBeLessThan(BUDGET_MS + HEADERS_MS);
    expect(attempts()).toBe(1);

    const many = async (registries: readonly TestRegistry[], count: number) => {
      const began = performance.now();
      for (let n = 0; n < count; n += registries.length) await Promise.all(registries.map(isShielded));
      return performance.now() - began;
    };
    // If each of them waited, it would take the budget times their number.
    expect(await many([one, two], 500)).toBeLessThan((BUDGET_MS * 500) / 4);
    expect(attempts()).toBe(1);
    await two.close();
    two = await start();
    expect(await many([one, two], 250)).toBeLessThan((BUDGET_MS * 250) / 4);
    expect(attempts()).toBe(1);

    clock.advance({ seconds: PAST_FIRST_WINDOW_S });
    await failuresReach(2);
    await many([one, two], 125);
    expect(attempts()).toBe(2);
    clock.advance({ seconds: PAST_SECOND_WINDOW_S });
    await failuresReach(3);
    await many([one, two], 125);
    expect(attempts()).toBe(3);
  } finally {
    await two.close();
  }
}, 120_000);

test('upstreams that hang do not keep one that is back from being found', async () => {
  const clock = movableClock(Date.now());
  await using back = await startFaultUpstream();
  await using one = await startTestRegistry({ clock, deadlines: { checkBudgetMs: 100, headersMs: HUNG_FOR_MS } });
  const hung = await Promise.all(Array.from({ length: 3 }, () => startFaultUpstream()));
  try {
    const urls: string[] = [];
    for (const upstream of [...hung, back]) {
      upstream.add('team/app', 'v1', buildImage({ seed: 'hung' }));
      const settings = { upstream_registry: upstream.host, staleness_period_s: 3_600, check_interval_s: 0 };
      const url = `${one.url}/v2/${await one.proxyOrganization(settings)}/team/app/manifests/v1`;
      urls.push(url);
      await rawGet(url);
      upstream.fault(upstream === back ? { kind: 'status', status: 204 } : { kind: 'no-answer', by: 'stall' });
      expect((await rawGet(url)).headers['warning']).toBeDefined();
    }
    back.clearFaults();
    // Those that were asked for last are looked at first.
    for (const url of urls.slice(0, -1)) await rawGet(url);
    clock.advance({ minutes: 15 });
    await sleep(FOUND_WITHIN_MS);
    expect((await rawGet(urls.at(-1) ?? '')).headers['warning']).toBeUndefined();
  } finally {
    for (const upstream of hung) await upstream.close();
  }
}, 60_000);
