import { afterEach, describe, expect, test } from '@jest/globals';
import { rawGet } from '../clients/raw-client.js';
import { pullImage } from '../clients/raw-pull.js';
import { buildImage } from '../images/image-builder.js';
import { selfSignedCertificate } from './certificate.js';
import { type FaultUpstream, startFaultUpstream } from './fault-upstream.js';

const image = buildImage({ seed: 'tls', layers: [200_000] });
let upstream: FaultUpstream;

async function start(tls: { key: string; cert: string }): Promise<string> {
  upstream = await startFaultUpstream({ tls });
  upstream.add('org/app', 'v1', image);
  return `${upstream.origins.registry}/v2/org/app/blobs/${image.layers[0]?.digest}`;
}

afterEach(async () => {
  await upstream.close();
  expect(upstream.openSockets).toBe(0);
});

describe('the upstream under TLS', () => {
  const good = selfSignedCertificate();

  test('is trusted by who trusts its certificate, and by nobody else', async () => {
    const url = await start(good);
    expect(url).toMatch(/^https:/);
    expect((await pullImage(upstream.origins.registry, 'org/app', 'v1', { ca: good.cert })).problems).toEqual([]);
    const { cert } = selfSignedCertificate();
    await expect(rawGet(url, { ca: cert })).rejects.toHaveProperty('code', expect.stringMatching(/CERT|SIGNATURE/));
  });

  test('expired, not yet valid, for another name', async () => {
    const expired = selfSignedCertificate({ notAfter: new Date(Date.now() - 1000) });
    await expect(rawGet(await start(expired), { ca: expired.cert })).rejects.toHaveProperty('code', 'CERT_HAS_EXPIRED');
    await upstream.close();
    const early = selfSignedCertificate({ notBefore: new Date(Date.now() + 86_400_000) });
    await expect(rawGet(await start(early), { ca: early.cert })).rejects.toHaveProperty('code', 'CERT_NOT_YET_VALID');
    await upstream.close();
    const foreign = selfSignedCertificate({ names: ['registry.example.test'], notAfter: new Date('2060-01-01') });
    await expect(rawGet(await start(foreign), { ca: foreign.cert })).rejects.toHaveProperty(
      'code',
      'ERR_TLS_CERT_ALTNAME_INVALID',
    );
  });

  test('a handshake that stalls, is reset, or is no TLS at all', async () => {
    const url = await start(good);
    upstream.fault({ kind: 'connection', by: 'stall' }, { times: 1 });
    upstream.fault({ kind: 'connection', by: 'reset' }, { times: 1 });
    upstream.fault({ kind: 'connection', by: 'garbage' }, { times: 1 });
    await expect(rawGet(url, { timeoutMs: 200 })).rejects.toHaveProperty('code', 'RAW_TIMEOUT');
    await expect(rawGet(url)).rejects.toHaveProperty('code', 'ECONNRESET');
    await expect(rawGet(url)).rejects.toHaveProperty('code', expect.stringMatching(/^ERR_SSL|EPROTO/));
    expect((await rawGet(url)).status).toBe(200);
  });

  test.each(['fin', 'reset', 'stall'] as const)('a body cut by %s below TLS', async (by) => {
    const url = await start(good);
    upstream.fault({ kind: 'cut-body', afterBytes: 70_000, by });
    const answer = await rawGet(url, { timeoutMs: 500 });
    expect([answer.bytes.byteLength, answer.cut]).toEqual([70_000, true]);
  });

  test('no answer, by a reset below TLS', async () => {
    const url = await start(good);
    upstream.fault({ kind: 'no-answer', by: 'reset' });
    await expect(rawGet(url)).rejects.toHaveProperty('code', 'ECONNRESET');
  });
});
