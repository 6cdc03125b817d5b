import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startTestRegistry, type TestRegistry } from '../registry/start-test-registry.js';
import { startBrokenRegistry } from './broken-registry.js';
import { ALL_CHECKS } from './checks/all-checks.js';
import { runConformance } from './run-conformance.js';
import { type Registry, Session } from './session.js';
import { sharedContent } from './shared-content.js';

// Each check of the conformance pack fails on a registry that is broken in its clause.

let hosting: TestRegistry;
let hosted: Registry;

beforeAll(async () => {
  hosting = await startTestRegistry();
  hosted = { url: hosting.url, prefix: await hosting.hostedOrganization(), ...hosting.administrator };
}, 60_000);
afterAll(() => hosting?.close());

test('every clause, broken', async () => {
  await using broken = await startBrokenRegistry(hosting.url);
  const shared = sharedContent((path) => new Session(hosted, path), 'seen-red');
  const notSeen: string[] = [];
  for (const check of ALL_CHECKS) {
    broken.breakIt(check.broken);
    const [result] = await runConformance({ read: { ...hosted, url: broken.url }, only: [check.id], shared });
    if (result?.outcome !== 'failed') notSeen.push(check.id);
  }
  expect(notSeen).toEqual([]);
}, 120_000);

test('none, when nothing is broken', async () => {
  await using broken = await startBrokenRegistry(hosting.url);
  const results = await runConformance({ read: { ...hosted, url: broken.url } });
  expect(results.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
}, 120_000);
