import { X509Certificate } from 'node:crypto';
import { selfSignedCertificate } from '@breakwater/test-kit';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { org, startCluster, type TestCluster, type TestProcess } from './support/harness.js';

// The certificates of authorities that an organization trusts for its upstream.

const one = selfSignedCertificate().cert;
const two = selfSignedCertificate().cert;
const [first, second] = [one, two].map((cert) => new X509Certificate(cert).fingerprint256);

let cluster: TestCluster;
let server: TestProcess;
let count = 0;
let path = '';
let name = '';

beforeAll(async () => {
  cluster = await startCluster();
  server = await cluster.startProcess();
});
afterAll(() => cluster.stop());
beforeEach(() => {
  count += 1;
  name = `ca${count}`;
  path = `/api/v1/organization/${name}/proxycache`;
});

const create = (fields: Record<string, unknown>) =>
  server.call('POST', path, { upstream_registry: 'registry.lan', ...fields });
const trusted = async () => (await server.orgSettings.settings.find(org(name)))?.upstreamCaPem;

test('are shown as fingerprints only, and kept until they are removed', async () => {
  expect((await create({ upstream_ca_pem: one + two })).status).toBe(201);
  const read = await server.call('GET', path);
  expect(read.json.upstream_ca_fingerprints).toEqual([first, second]);
  expect(read.text).not.toContain('CERTIFICATE');
  expect(read.json).not.toHaveProperty('upstream_ca_pem');
  expect(await trusted()).toBe(one + two);
  const kept = await server.call('PUT', path, { ...read.json, expiration_s: 5 });
  expect(kept.json).toMatchObject({ expiration_s: 5, upstream_ca_fingerprints: [first, second] });
  const replaced = await server.call('PUT', path, { upstream_ca_pem: two });
  expect(replaced.json.upstream_ca_fingerprints).toEqual([second]);
  expect(replaced.text).not.toContain('CERTIFICATE');
  expect(await trusted()).toBe(two);
  expect((await server.call('PUT', path, { upstream_ca_pem: null })).json.upstream_ca_fingerprints).toEqual([]);
  expect(await trusted()).toBeUndefined();
});

test('are no new credentials, and the audit names them by their fingerprints', async () => {
  await create({ upstream_ca_pem: one });
  const version = (await server.orgSettings.settings.find(org(name)))?.credentialVersion;
  await server.call('PUT', path, { upstream_ca_pem: two });
  // The same once more, with other line ends, is no change.
  await server.call('PUT', path, { upstream_ca_pem: two.replaceAll('\n', '\r\n') });
  expect((await server.orgSettings.settings.find(org(name)))?.credentialVersion).toBe(version);
  const rows = await cluster.database
    .knex('proxy_cache_audit')
    .where({ organization: name })
    .orderBy('change_number')
    .select('changes');
  expect(rows).toMatchObject([
    { changes: { upstream_ca_fingerprints: [first] } },
    { changes: { upstream_ca_fingerprints: { from: [first], to: [second] } } },
  ]);
  expect(rows).toHaveLength(2);
  expect(JSON.stringify(rows)).not.toContain('CERTIFICATE');
});

test('are there after a restart', async () => {
  await create({ upstream_ca_pem: one });
  const again = await cluster.startProcess();
  expect((await again.orgSettings.settings.find(org(name)))?.upstreamCaPem).toBe(one);
});

test.each([
  ['', 'upstream_ca_pem must be PEM certificates'],
  [7, 'upstream_ca_pem must be a text of PEM certificates, or null; it is a number'],
  ['-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----', 'upstream_ca_pem must hold certificates only'],
  [one.padEnd(65_537, '\n'), 'upstream_ca_pem must be at most 65536 bytes long'],
])('%j is refused by the name of the field', async (value, said) => {
  const answer = await create({ upstream_ca_pem: value });
  expect([answer.status, answer.json.problems?.[0].field]).toEqual([400, 'upstream_ca_pem']);
  expect(answer.json.detail).toContain(said);
  expect(answer.text).not.toContain('canary');
  expect((await server.call('GET', path)).json.upstream_registry).toBe('');
});

test('as many as there may be fit into a request', async () => {
  const many = one.repeat(Math.floor(65_536 / one.length));
  expect((await create({ upstream_ca_pem: many.padEnd(65_536, '\n') })).status).toBe(201);
  expect((await server.call('GET', path)).json.upstream_ca_fingerprints.length).toBeGreaterThan(50);
});

test('are tried out by validateproxycache', async () => {
  const body = { upstream_registry: 'registry.lan', upstream_ca_pem: one };
  expect((await server.call('POST', path.replace('proxycache', 'validateproxycache'), body)).status).toBe(202);
  expect(server.probe.validated.at(-1)).toEqual({ upstream: 'registry.lan', insecure: false, upstreamCaPem: one });
});

test('can be given from code', async () => {
  await server.orgSettings.settings.create(org(name), { upstream: 'registry.lan', upstreamCaPem: one });
  expect(await trusted()).toBe(one);
});
