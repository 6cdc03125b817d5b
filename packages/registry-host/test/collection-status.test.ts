import { randomUUID } from 'node:crypto';
import {
  buildImage,
  movableClock,
  pullImage,
  rawGet,
  startFaultUpstream,
  startTestRegistry,
} from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';

// What an organization's health and the metrics say of garbage collection: that it holds back, until when, and that it runs.

const HOUR = 3_600;
const HOLD = 20 * HOUR;

test('the hold of an outage is in the health with its end, and runs are in the metrics', async () => {
  const clock = movableClock(Math.floor(Date.now() / 1000) * 1000);
  await using upstream = await startFaultUpstream();
  await using breakwater = await startTestRegistry({
    clock,
    env: { BREAKWATER_GC_HOLD_S: String(HOLD) },
    deadlines: { checkBudgetMs: 300, clientBudgetMs: 10_000, headersMs: 1_000 },
  });
  upstream.add('team/app', 'v1', buildImage({ seed: 1 }));
  const organization = await breakwater.proxyOrganization({
    upstream_registry: upstream.host,
    staleness_period_s: HOUR,
    expiration_s: HOUR,
  });
  const hold = async () => {
    const { body } = await breakwater.api('GET', `/api/v1/organization/${organization}/proxycache/health`);
    return (body as { hold: unknown }).hold;
  };
  const metric = async (name: string) => {
    const text = (await rawGet(`${breakwater.url}/metrics`)).bytes.toString();
    return new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1];
  };
  const finished = () => metric('breakwater_gc_finished_timestamp_seconds');
  const running = () => metric('breakwater_gc_running_since_timestamp_seconds');

  expect((await pullImage(breakwater.url, `${organization}/team/app`, 'v1')).problems).toEqual([]);
  expect(await hold()).toEqual({ held: false, reason: null, since: null, until: null });
  expect([await finished(), await running()]).toEqual([undefined, undefined]);

  await upstream.kill();
  clock.advance({ hours: 5 });
  const report = await breakwater.registry.gc.runOnce();
  expect(report).toMatchObject({ outcome: 'done', expiredTotal: 0, held: [{ organization }] });
  const downSince = clock.now();
  const iso = (ms: number) => new Date(ms).toISOString();
  expect(report.held[0]?.downSince).toBe(downSince);
  const held = { held: true, reason: 'upstream_down', since: iso(downSince), until: iso(downSince + HOLD * 1000) };
  expect(await hold()).toEqual(held);
  expect(await finished()).toBe(String(downSince / 1000));

  clock.advance({ seconds: HOLD });
  expect(await hold()).toEqual(held);
  clock.advance({ ms: 1 });
  expect(await hold()).toMatchObject({ held: false, until: null });

  const at = new Date(clock.now());
  await breakwater.state.database.knex('gc_run').insert({
    run_id: randomUUID(),
    holder: 'another',
    state: 'running',
    started_at: at,
    heartbeat_at: at,
  });
  expect(await running()).toBe(String(clock.now() / 1000));
  expect(await finished()).toBe(String(downSince / 1000));
});
