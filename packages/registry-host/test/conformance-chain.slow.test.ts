import { type ConformanceRegistry, runConformance, startTestRegistry, type TestRegistry } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';

// A cache of a cache keeps to the distribution-spec as the registry at its end does.

function asRegistry({ url, administrator }: TestRegistry, prefix: string): ConformanceRegistry {
  return { url, prefix, ...administrator };
}

async function cacheOf(registry: TestRegistry, upstream: ConformanceRegistry): Promise<ConformanceRegistry> {
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

test('chained: what is pushed is pulled through two caches', async () => {
  await using hosting = await startTestRegistry();
  await using first = await startTestRegistry();
  await using second = await startTestRegistry();
  const write = asRegistry(hosting, await hosting.hostedOrganization());
  const near = await cacheOf(first, write);
  const read = {
    ...(await cacheOf(second, near)),
    cacheOf: { host: first.host, prefix: near.prefix },
  };
  const results = await runConformance({ read, write });
  expect(results.filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
});
