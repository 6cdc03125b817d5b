import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startTestRegistry, type TestRegistry } from '../registry/start-test-registry.js';
import { type BrokenRegistry, startBrokenRegistry } from './broken-registry.js';
import type { SharedContent } from './check.js';
import { ALL_CHECKS } from './checks/all-checks.js';
import { type ConformanceTarget, runConformance } from './run-conformance.js';
import { on, status } from './sabotage.js';
import { type Registry, Session } from './session.js';
import { sharedContent } from './shared-content.js';

// Each check of the conformance pack fails on a registry that is broken in its clause, and where it looks at its clause.

let hosting: TestRegistry;
let caching: TestRegistry;
let hosted: Registry;
let cached: Registry;

beforeAll(async () => {
  hosting = await startTestRegistry();
  hosted = { url: hosting.url, prefix: await hosting.hostedOrganization(), ...hosting.administrator };
  caching = await startTestRegistry();
  const prefix = await caching.proxyOrganization({
    upstream_registry: `${hosting.host}/${hosted.prefix}`,
    upstream_registry_username: hosted.username,
    upstream_registry_password: hosted.password,
  });
  cached = { url: caching.url, prefix, ...caching.administrator };
}, 60_000);
afterAll(async () => {
  await caching?.close();
  await hosting?.close();
});

/** What is checked of a cache is broken in the cache. */
function brokenTarget(section: string, { url }: BrokenRegistry, shared: SharedContent): ConformanceTarget {
  if (section !== 'proxying') return { read: { ...hosted, url }, shared };
  return { read: { ...cached, url }, write: hosted };
}

test('every clause, broken', async () => {
  await using brokenHost = await startBrokenRegistry(hosting.url);
  await using brokenCache = await startBrokenRegistry(caching.url);
  const shared = sharedContent((path) => new Session(hosted, path), 'seen-red');
  const notSeen: string[] = [];
  for (const { id, section, broken, red } of ALL_CHECKS) {
    const registry = section === 'proxying' ? brokenCache : brokenHost;
    registry.breakIt(broken);
    const [result] = await runConformance({ ...brokenTarget(section, registry, shared), only: [id] });
    const [, method = '', sentence = ''] = /^(?:([A-Z]+): )?(.*)$/.exec(red) ?? [];
    const problem = result?.problem ?? '';
    const isRed = result?.outcome === 'failed' && problem.startsWith(method) && problem.includes(sentence);
    if (!isRed) notSeen.push(`${id}: wanted "${red}" and got "${result?.outcome} ${problem}"`);
  }
  expect(notSeen).toEqual([]);
}, 300_000);

test('a cache that says of what is the upstream’s that it has deleted it', async () => {
  await using broken = await startBrokenRegistry(caching.url);
  broken.breakIt(status(on('DELETE', /./), 202));
  const only = ['management.tag', 'management.manifest', 'management.blob'];
  const results = await runConformance({ read: { ...cached, url: broken.url }, write: hosted, only });
  expect(results.map(({ outcome }) => outcome)).toEqual(only.map(() => 'failed'));
}, 60_000);

test('none, when nothing is broken', async () => {
  await using broken = await startBrokenRegistry(hosting.url);
  const results = await runConformance({ read: { ...hosted, url: broken.url } });
  expect(results.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
}, 120_000);
