import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  buildImage,
  createTestDatabase,
  movableClock,
  pullImage,
  rawGet,
  startFaultUpstream,
  writeRequest,
} from '@breakwater/test-kit';
import { afterEach, describe, expect, test } from '@jest/globals';
import express5, { type Application } from 'express';
import express4 from 'express4';
import { addBreakwater } from './minimal-host.js';

// A registry that somebody else wrote, in fewer than a hundred lines, goes through an outage and a garbage collection.

const ownersHeader = `Basic ${Buffer.from('owner:secret').toString('base64')}`;
const ending: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function startHost(app: Application, allowedHost: string) {
  const database = await createTestDatabase({ migrations: [] });
  ending.push(() => database.drop());
  const directory = await mkdtemp(join(tmpdir(), 'breakwater-minimal-host-'));
  ending.push(() => rm(directory, { recursive: true, force: true }));
  const clock = movableClock();
  const options = { clock, ownersHeader, secretKey: new Uint8Array(32).fill(1), allowedHosts: [allowedHost] };
  const host = await addBreakwater(app, database.knex, directory, options);
  ending.push(() => host.close());
  app.get('/v2/own/app/manifests/v1', (_request, response) => void response.send('the host’s own'));
  const server = createServer(app);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  ending.push(() => {
    server.closeAllConnections();
    return new Promise((closed) => server.close(closed));
  });
  const blobs = async () => (await readdir(directory)).filter((name) => name !== 'spool').length;
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, clock, gc: host.gc, blobs };
}

/** Tries for as long as something that goes on in the background may take. */
async function eventually(what: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 250; tries += 1) {
    if (await what()) return;
    await sleep(20);
  }
  throw new Error('it never came to be');
}

describe.each([
  ['Express 4', () => express4() as unknown as Application],
  ['Express 5', () => express5()],
])('%s', (_name, makeApp) => {
  test('an image outlives its upstream for the staleness period, and is collected after it', async () => {
    const upstream = await startFaultUpstream();
    ending.push(() => upstream.close());
    upstream.add('team/app', 'v1', buildImage({ seed: 'minimal' }));
    const { url, clock, gc, blobs } = await startHost(makeApp(), upstream.host);
    const configured = await writeRequest(
      { url, authorization: ownersHeader },
      'POST',
      '/api/v1/organization/acme/proxycache',
      {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          upstream_registry: upstream.host,
          insecure: true,
          staleness_period_s: 3 * 86_400,
          check_interval_s: 3600,
          expiration_s: 3600,
        }),
      },
    );
    expect([configured.status, configured.text]).toEqual([201, '"Created"']);
    const pull = () => pullImage(url, 'acme/team/app', 'v1');
    expect((await pull()).problems).toEqual([]);
    await eventually(async () => (await blobs()) === 3);

    await upstream.kill();
    clock.advance({ days: 3 });
    const shielded = await pull();
    expect(shielded.problems).toEqual([]);
    expect(shielded.manifest.headers['warning']).toMatch(/^299 - /);
    await gc.runOnce();
    expect((await pull()).problems).toEqual([]);

    clock.advance({ hours: 1 });
    expect((await pull()).manifest.status).toBe(503);
    await upstream.revive();
    upstream.remove('team/app', 'v1');
    clock.advance({ days: 40 });
    await gc.runOnce();
    clock.advance({ days: 1 });
    await gc.runOnce();
    await eventually(async () => (await blobs()) === 0);
  });

  test('the host’s own routes stay its own, and so do its users', async () => {
    const { url } = await startHost(makeApp(), '127.0.0.1');
    expect((await rawGet(`${url}/v2/own/app/manifests/v1`)).bytes.toString()).toBe('the host’s own');
    const refused = await writeRequest({ url }, 'POST', '/api/v1/organization/acme/proxycache', { body: '{}' });
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Basic realm="minimal host"']);
  });
});

test('it has fewer than a hundred lines', async () => {
  const sources = await Promise.all(
    ['minimal-host.ts', 'own-content.ts'].map((file) => readFile(new URL(file, import.meta.url), 'utf8')),
  );
  const lines = sources
    .join('\n')
    .split('\n')
    .filter((line) => !/^\s*(?:\/\*\*.*|\*.*|\/\/.*)?$/.test(line));
  expect(lines.length).toBeLessThan(100);
});
