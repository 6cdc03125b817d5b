import { buildImage, rawGet, registryState, startFaultUpstream, startTestRegistry } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import { startDatabaseRelay } from './support/database-relay.js';

// The end of a life when Postgres does not answer any more: every statement waits for its own limit, and there is no other.

test('it ends while the database is silent, with pulls and its own work waiting for it', async () => {
  await using upstream = await startFaultUpstream();
  upstream.add('team/app', 'v1', buildImage({ seed: 1 }));
  await using state = await registryState();
  await using relay = await startDatabaseRelay(state.database.connection);
  const breakwater = await startTestRegistry({ on: state, connection: relay.connection });
  const organization = await breakwater.proxyOrganization({ upstream_registry: upstream.host, prefetch: 'image' });
  const manifest = (tag: string) => rawGet(`${breakwater.url}/v2/${organization}/team/app/manifests/${tag}`);
  expect((await manifest('v1')).status).toBe(200);
  relay.fallSilent();
  const waiting = manifest('v2').catch(() => undefined);
  expect((await rawGet(`${breakwater.url}/livez`)).status).toBe(200);
  await breakwater.registry.close();
  await waiting;
}, 120_000);
