import { buildImage, type FaultUpstream, rawGet, startFaultUpstream, startTestRegistry } from '@breakwater/test-kit';
import { afterEach, beforeEach, expect, test } from '@jest/globals';

// The settings about upstreams, by what they do.

const image = buildImage({ seed: 'settings of upstreams', layers: [1_000] });
const EVERYTHING_STALE = { staleness_period_s: 3_600, check_interval_s: 0 };

let upstream: FaultUpstream;
beforeEach(async () => {
  upstream = await startFaultUpstream({ hostName: 'registry.test' });
  upstream.add('team/app', 'v1', image);
});
afterEach(() => upstream.close());

async function start(env: Record<string, string>) {
  const registry = await startTestRegistry({
    env: { BREAKWATER_UPSTREAM_ALLOWED_HOSTS: '127.0.0.0/8', ...env },
    lookup: async () => [{ address: '127.0.0.1', family: 4 }],
  });
  const organization = await registry.proxyOrganization({ upstream_registry: upstream.host, ...EVERYTHING_STALE });
  const pull = (tag: string) => rawGet(`${registry.url}/v2/${organization}/team/app/manifests/${tag}`);
  return { registry, pull, [Symbol.asyncDispose]: () => registry.close() };
}

test('BREAKWATER_CHECK_BUDGET_MS and BREAKWATER_CLIENT_BUDGET_MS: a slow upstream is waited for as long as that', async () => {
  await using patient = await start({});
  await using hasty = await start({ BREAKWATER_CHECK_BUDGET_MS: '100', BREAKWATER_CLIENT_BUDGET_MS: '200' });
  upstream.add('team/app', 'v2', image);
  for (const { pull } of [patient, hasty]) expect((await pull('v1')).status).toBe(200);
  upstream.fault({ kind: 'delay', ms: 700 });
  const answers = [await patient.pull('v1'), await patient.pull('v2'), await hasty.pull('v1'), await hasty.pull('v2')];
  expect(answers.map(({ status, headers }) => [status, headers['warning'] === undefined])).toEqual([
    [200, true],
    [200, true],
    [200, false],
    [504, true],
  ]);
});

test('BREAKWATER_MAX_REFUSALS_PER_CLIENT: what upstreams do not have is asked for so often, and with 0 without end', async () => {
  await using strict = await start({ BREAKWATER_MAX_REFUSALS_PER_CLIENT: '2' });
  await using open = await start({ BREAKWATER_MAX_REFUSALS_PER_CLIENT: '0' });
  const statuses = async ({ pull }: Awaited<ReturnType<typeof start>>, count: number) =>
    new Set(
      (await Promise.all(Array.from({ length: count }, (_, n) => pull(`none-${n}`)))).map(({ status }) => status),
    );
  await strict.pull('one');
  await strict.pull('two');
  expect(await statuses(strict, 20)).toContain(429);
  expect(await statuses(open, 300)).toEqual(new Set([404]));
});

test('BREAKWATER_UPSTREAM_REALMS: a token server under another domain is asked when the operator says so', async () => {
  await using careful = await start({});
  await using told = await start({ BREAKWATER_UPSTREAM_REALMS: 'registry.test=login.example' });
  upstream.setAuth({ kind: 'bearer' });
  const { port } = new URL(upstream.origins.token);
  const challenge = `Bearer realm="http://login.example:${port}/token",service="fault-upstream"`;
  upstream.fault({ kind: 'status', status: 401, headers: { 'WWW-Authenticate': challenge } }, { times: 2 });
  const refused = await careful.pull('v1');
  expect([refused.status, JSON.parse(refused.bytes.toString()).errors[0].detail.reason]).toEqual([503, 'blocked']);
  expect(upstream.count({ server: 'token' })).toBe(0);
  expect((await told.pull('v1')).status).toBe(200);
});
