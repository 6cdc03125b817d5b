import { pathToFileURL } from 'node:url';
import { silentLogger } from '@breakwater/registry-core';
import { readConfig, startRegistry } from '@breakwater/registry-host';
import { buildImage, rawGet, registryState, startFaultUpstream, startTestRegistry } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import { startDatabaseRelay } from './support/database-relay.js';

// Whether clients should be sent (/readyz) and whether the process lives (/livez), at both ends of a life (P18).

test('without a database it lives, is not ready and says so to pulls; with one it is ready', async () => {
  await using state = await registryState();
  await using relay = await startDatabaseRelay(state.database.connection);
  relay.cut();
  const registry = await startRegistry({
    config: readConfig({
      BREAKWATER_LISTEN: '127.0.0.1:0',
      BREAKWATER_DATA_DIR: state.directory,
      BREAKWATER_STORAGE_URL: pathToFileURL(`${state.directory}/storage`).href,
      BREAKWATER_ADMIN_PASSWORD: 'the password of the tests',
    }),
    logger: silentLogger,
    connection: { ...relay.connection },
  });
  try {
    expect((await rawGet(`${registry.url}/livez`)).status).toBe(200);
    expect((await rawGet(`${registry.url}/readyz`)).status).toBe(503);
    const pull = await rawGet(`${registry.url}/v2/dockerhub/library/alpine/manifests/latest`);
    expect(pull).toMatchObject({ status: 503, reasonPhrase: 'Registry Not Ready' });
    expect(pull.headers['retry-after']).toBe('5');

    relay.restore();
    await registry.ready;
    expect((await rawGet(`${registry.url}/readyz`)).status).toBe(200);
  } finally {
    await registry.close();
  }
});

test('once it is told to end it is not ready, and goes on answering until connections are refused', async () => {
  await using upstream = await startFaultUpstream();
  upstream.add('team/app', 'v1', buildImage({ seed: 1 }));
  await using state = await registryState();
  const breakwater = await startTestRegistry({ on: state });
  const organization = await breakwater.proxyOrganization({ upstream_registry: upstream.host });
  const manifest = `${breakwater.url}/v2/${organization}/team/app/manifests/v1`;
  expect((await rawGet(manifest)).status).toBe(200);

  let stopAccepting = () => {};
  const accepting = new Promise<void>((resolve) => {
    stopAccepting = resolve;
  });
  const closed = breakwater.registry.close({ acceptMs: 1, finishMs: 1, wait: () => accepting });
  expect((await rawGet(`${breakwater.url}/readyz`)).status).toBe(503);
  expect((await rawGet(`${breakwater.url}/livez`)).status).toBe(200);
  expect((await rawGet(manifest)).status).toBe(200);

  stopAccepting();
  await closed;
  await expect(rawGet(manifest)).rejects.toThrow('ECONNREFUSED');
});
