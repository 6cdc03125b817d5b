import { buildImage, pullImage, rawGet, startFaultUpstream, startTestRegistry } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';

// P15: what is cached never queues behind what is not.

const TURNS = 2;
const cached = buildImage({ seed: 'overload, cached', layers: [50_000] });
const cold = buildImage({ seed: 'overload, cold', layers: [1_000, 2_000, 3_000] });

test('with every turn to download taken by an upstream that stalls, cached pulls are answered, and one more waits in vain', async () => {
  await using upstream = await startFaultUpstream();
  upstream.add('team/cached', 'v1', cached);
  upstream.add('team/cold', 'v1', cold);
  await using breakwater = await startTestRegistry({ env: { BREAKWATER_MAX_DOWNLOADS: String(TURNS) } });
  const settings = { upstream_registry: upstream.host, staleness_period_s: 3_600, check_interval_s: 0 };
  const organization = await breakwater.proxyOrganization(settings);
  const other = await breakwater.proxyOrganization(settings);
  const pullCached = () => pullImage(breakwater.url, `${organization}/team/cached`, 'v1');
  expect((await pullCached()).problems).toEqual([]);

  upstream.fault({ kind: 'no-answer', by: 'stall' }, { match: { kind: 'blob' } });
  upstream.reset();
  const blob = (of: string, n: number) =>
    rawGet(`${breakwater.url}/v2/${of}/team/cold/blobs/${cold.layers[n]?.digest}`);
  const stalled = Array.from({ length: TURNS }, (_, n) => blob(organization, n).catch(() => undefined));
  while (upstream.count({ kind: 'blob' }) < TURNS) await new Promise((resolve) => setTimeout(resolve, 10));

  let isRefused = false;
  const oneMore = blob(other, TURNS).finally(() => {
    isRefused = true;
  });
  let during = 0;
  while (!isRefused) {
    const { problems, manifest } = await pullCached();
    expect([problems, manifest.headers['warning']]).toEqual([[], undefined]);
    during += 1;
  }
  // Each of them asks the upstream whether the tag is still the same: no check waits behind downloads either.
  expect(during).toBeGreaterThan(10);
  expect(upstream.count({ kind: 'manifest', method: 'HEAD' })).toBeGreaterThanOrEqual(during);

  const { status, headers, bytes } = await oneMore;
  const [error] = JSON.parse(bytes.toString()).errors;
  expect([status, error.code, error.detail.reason]).toEqual([503, 'UNAVAILABLE', 'overload']);
  expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(5);
  expect(Number(headers['retry-after'])).toBeLessThanOrEqual(60);
  expect(upstream.count({ kind: 'blob' })).toBe(TURNS);
  const { bytes: metrics } = await rawGet(`${breakwater.url}/metrics`, {
    headers: { authorization: breakwater.authorization },
  });
  expect(metrics.toString()).toContain('breakwater_downloads_shed_total 1');
  upstream.dropConnections();
  upstream.clearFaults();
  await Promise.all(stalled);
}, 60_000);
