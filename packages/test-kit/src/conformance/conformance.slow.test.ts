import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startTestRegistry, type TestRegistry } from '../registry/start-test-registry.js';
import { ALL_CHECKS } from './checks/all-checks.js';
import { type CheckResult, runConformance } from './run-conformance.js';
import type { Registry } from './session.js';

// The registry keeps to the distribution-spec, as itself, as a cache, and as a cache whose upstream is gone. That each check
// can fail: conformance-seen-red.slow.test.ts. A cache of a cache: registry-host/test/conformance-chain.slow.test.ts.

let hosting: TestRegistry;
let organization: string;
let hosted: Registry;

beforeAll(async () => {
  hosting = await startTestRegistry();
  organization = await hosting.hostedOrganization();
  hosted = asRegistry(hosting, organization);
});
afterAll(() => hosting.close());

function asRegistry({ url, administrator }: TestRegistry, prefix: string): Registry {
  return { url, prefix, ...administrator };
}

/** A cache of another registry, which asks it on every pull and keeps nothing that it has removed. */
async function cacheOf(registry: TestRegistry, upstream: Registry): Promise<Registry> {
  const name = await registry.proxyOrganization({
    upstream_registry: `${new URL(upstream.url).host}/${upstream.prefix}`,
    upstream_registry_username: upstream.username,
    upstream_registry_password: upstream.password,
    check_interval_s: 0,
    staleness_period_s: 3600,
    serve_when_removed: false,
  });
  return asRegistry(registry, name);
}

const failed = (results: readonly CheckResult[]) =>
  results.filter(({ outcome }) => outcome === 'failed').map(({ id, problem }) => `${id}: ${problem}`);
const idsOf = (results: readonly CheckResult[], wanted: CheckResult['outcome']) =>
  results.filter(({ outcome }) => outcome === wanted).map(({ id }) => id);

test('hosted', async () => {
  const results = await runConformance({ read: hosted });
  expect(failed(results)).toEqual([]);
  expect(idsOf(results, 'not applicable')).toEqual(['proxying.namespace-header']);
  expect(idsOf(results, 'passed').length).toBe(ALL_CHECKS.length - 1);
}, 120_000);

test('proxied, with what is pushed going to the upstream, and once more with the upstream gone', async () => {
  await using upstream = await startTestRegistry();
  const write = asRegistry(upstream, await upstream.hostedOrganization());
  await using cache = await startTestRegistry();
  const read = await cacheOf(cache, write);
  const results = await runConformance({ read, write, afterWarming: () => upstream.close() });
  expect(failed(results)).toEqual([]);
  expect(idsOf(results, 'not applicable')).toEqual(
    ALL_CHECKS.filter(({ needsUpstream }) => needsUpstream === true).map(({ id }) => id),
  );
}, 120_000);
