import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RegistryError, silentLogger, systemClock } from '@breakwater/registry-core';
import {
  buildImage,
  createTestDatabase,
  type FaultUpstream,
  MemoryBlobStore,
  MemoryManifestStore,
  pullImage,
  rawGet,
  startFaultUpstream,
  type TestDatabase,
} from '@breakwater/test-kit';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import express from 'express';
import { createProxyCache, type ProxyCache, proxyCacheMigrations } from '../src/index.js';
import { settingsFor } from './support/upstream-client.js';

const image = buildImage({ seed: 'foreign', layers: [100_000] });
const signedIn = { headers: { authorization: 'Basic c29tZWJvZHk6c2VjcmV0' } };

let database: TestDatabase;
let upstream: FaultUpstream;
let spoolDirectory: string;
let proxyCache: ProxyCache;
let server: Server;
let base: string;

beforeAll(async () => {
  database = await createTestDatabase({ migrations: [proxyCacheMigrations()] });
  upstream = await startFaultUpstream();
  upstream.add('app', 'v1', image);
  spoolDirectory = await mkdtemp(join(tmpdir(), 'breakwater-foreign-'));

  // A registry that somebody else wrote: its own users, its own content, its own routes.
  const users = new Map([[signedIn.headers.authorization, 'somebody']]);
  const ownTags = new Map([['hosted/thing:1', { digest: 'sha256:abc', body: '{"own":true}' }]]);
  const app = express();
  app.set('strict routing', true);
  proxyCache = createProxyCache({
    knex: database.knex,
    settings: { find: async (organization) => (organization === 'acme' ? settingsFor(upstream.host) : undefined) },
    access: {
      async authenticate({ headers }) {
        const name = users.get(headers.authorization ?? '');
        if (name === undefined && headers.authorization !== undefined) throw new RegistryError('UNAUTHORIZED');
        return name === undefined ? undefined : { name };
      },
      authorize: async (principal, action) => principal !== undefined && action === 'pull',
      challenge: () => 'Basic realm="somebody else\'s registry"',
    },
    manifests: new MemoryManifestStore(),
    blobs: new MemoryBlobStore(),
    spoolDirectory,
    clock: systemClock,
    logger: silentLogger,
    allowedHosts: ['127.0.0.1'],
  });
  app.use(proxyCache.middleware());
  app.get('/v2/:org/:name/manifests/:tag', (request, response) => {
    const { org, name, tag } = request.params;
    const own = ownTags.get(`${org}/${name}:${tag}`);
    if (own === undefined) response.status(404).json({ errors: [{ code: 'MANIFEST_UNKNOWN' }] });
    else response.set('Docker-Content-Digest', own.digest).send(own.body);
  });
  app.get('/', (_request, response) => void response.send('welcome'));
  server = app.listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await proxyCache.start();
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
  await proxyCache.close();
  await upstream.close();
  await database.drop();
  await rm(spoolDirectory, { recursive: true, force: true });
});

test('a proxied image, cold and cached, byte for byte', async () => {
  expect((await pullImage(base, 'acme/app', 'v1', signedIn)).problems).toEqual([]);
  const pulled = await pullImage(base, 'acme/app', 'v1', signedIn);
  expect(pulled.problems).toEqual([]);
  expect(pulled.manifest.headers['content-type']).toBe(image.manifest.mediaType);
  expect(upstream.count({ kind: 'manifest' })).toBe(1);
});

test('and while the upstream is gone', async () => {
  await upstream.kill();
  expect((await pullImage(base, 'acme/app', 'v1', signedIn)).problems).toEqual([]);
  await upstream.revive();
});

test('everything else is the host', async () => {
  expect((await rawGet(`${base}/v2/hosted/thing/manifests/1`)).bytes.toString()).toBe('{"own":true}');
  expect((await rawGet(`${base}/v2/hosted/thing/manifests/2`)).status).toBe(404);
  expect((await rawGet(`${base}/`)).bytes.toString()).toBe('welcome');
});

test("401 with the host's own challenge, 405 for a push", async () => {
  upstream.reset();
  for (const headers of [{}, { authorization: 'Basic d3Jvbmc6d3Jvbmc=' }]) {
    const answer = await rawGet(`${base}/v2/acme/app/manifests/v1`, { headers });
    expect(answer.status).toBe(401);
    expect(JSON.parse(answer.bytes.toString()).errors[0].code).toBe('UNAUTHORIZED');
  }
  const anonymous = await rawGet(`${base}/v2/acme/app/manifests/v1`);
  expect(anonymous.headers['www-authenticate']).toBe('Basic realm="somebody else\'s registry"');
  const push = await rawGet(`${base}/v2/acme/app/blobs/uploads/`, { method: 'POST', ...signedIn });
  expect(push.status).toBe(405);
  expect(upstream.count()).toBe(0);
});
