import type { Logger } from '@breakwater/registry-core';
import {
  buildImage,
  movableClock,
  rawGet,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';

// What docs/outages.md says that an operator sees of an outage: metrics, log lines, the health of the organization.

interface Line {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

function recording(lines: Line[]): Logger {
  const write = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, fields: { ...fields }, message });
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') } as Logger;
}

async function metric(registry: TestRegistry, name: string): Promise<number> {
  const text = (await rawGet(`${registry.url}/metrics`)).bytes.toString();
  const values = text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)$`, 'gm'));
  return [...values].reduce((sum, [, value]) => sum + Number(value), 0);
}

test('an outage shows in metrics, in the log and in the health of the organization, and so does its end', async () => {
  const clock = movableClock(Date.now());
  const lines: Line[] = [];
  await using upstream = await startFaultUpstream();
  await using registry = await startTestRegistry({ clock, logger: recording(lines) });
  upstream.add('team/app', 'v1', buildImage({ seed: 'operator' }));
  const settings = { upstream_registry: upstream.host, staleness_period_s: 3_600, check_interval_s: 0 };
  const organization = await registry.proxyOrganization(settings);
  const pull = (tag = 'v1') => rawGet(`${registry.url}/v2/${organization}/team/app/manifests/${tag}`);
  const health = async () => (await registry.api('GET', `/api/v1/organization/${organization}/proxycache/health`)).body;
  await pull();
  expect(await health()).toMatchObject({ status: 'up', known_down_since: null });
  expect(await metric(registry, 'breakwater_upstream_down')).toBe(0);

  clock.advance({ minutes: 10 });
  upstream.fault({ kind: 'status', status: 503 });
  expect(await pull()).toMatchObject({ status: 200 });
  expect(await pull()).toMatchObject({ status: 200 });
  expect(await pull('none')).toMatchObject({ status: 503 });

  expect(await metric(registry, 'breakwater_upstream_down')).toBe(1);
  expect(await metric(registry, 'breakwater_upstream_outages_total')).toBe(1);
  expect(await metric(registry, 'breakwater_shielded_pulls_total')).toBe(2);
  expect(await metric(registry, 'breakwater_masked_errors_total')).toBe(1);
  expect(await metric(registry, 'breakwater_passed_errors_total')).toBe(1);
  expect(await health()).toMatchObject({
    status: 'down',
    failure_class: 'server_error',
    upstream_status: 503,
    known_down_since: expect.any(String),
    next_check_at: expect.any(String),
    last_24h: { shielded_pulls: 2, masked_errors: 1, passed_errors: 1 },
  });
  expect(await rawGet(`${registry.url}/readyz`)).toMatchObject({ status: 200 });
  const told = (message: string) => lines.filter((line) => line.message === message);
  expect(told('an upstream is down')).toMatchObject([{ level: 'warn', fields: { failure_class: 'server_error' } }]);
  expect(told('a pull was shielded from its upstream')).toHaveLength(2);
  expect(told('a check failed and no client saw it')).toHaveLength(1);
  expect(told('a failure of the upstream was passed on')).toMatchObject([
    { fields: { organization, reference: 'none', failure_class: 'server_error', upstream_status: 503 } },
  ]);

  upstream.clearFaults();
  upstream.add('team/app', 'other', buildImage({ seed: 'operator, other' }));
  expect(await pull('other')).toMatchObject({ status: 200 });
  expect(await metric(registry, 'breakwater_upstream_down')).toBe(0);
  expect(await metric(registry, 'breakwater_upstream_recoveries_total')).toBe(1);
  expect(told('an upstream is back')).toHaveLength(1);
  expect(await health()).toMatchObject({ status: 'up', known_down_since: null });
});
