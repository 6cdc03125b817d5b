import { OCI_INDEX, OCI_MANIFEST } from '@breakwater/registry-core';
import { buildImage, manifestOf, pullImage, rawGet, startFaultUpstream, startTestRegistry } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';

// Signatures, attestations and SBOMs, as cosign stores them: referrers, and tags made of the digest.

test('what was verified once can be verified in an outage: referrers and legacy tags, with their content', async () => {
  await using upstream = await startFaultUpstream();
  const image = buildImage({ seed: 'signed' });
  const { digest, bytes, mediaType } = image.manifest;
  const signature = buildImage({ seed: 'signature', layers: 1, subject: image.manifest });
  const legacy = buildImage({ seed: 'legacy signature', layers: 1 });
  upstream.add('team/app', 'v1', image);
  upstream.add('team/app', 'signature', signature);
  const legacyTag = `${digest.replace(':', '-')}.sig`;
  upstream.add('team/app', legacyTag, legacy);
  // An upstream without the referrers API keeps the list under a tag.
  const descriptor = {
    mediaType: OCI_MANIFEST,
    digest: signature.manifest.digest,
    size: signature.manifest.bytes.byteLength,
  };
  const list = manifestOf(OCI_INDEX, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [descriptor] });
  upstream.add('team/app', digest.replace(':', '-'), { manifest: list, manifests: [list], blobs: new Map() });
  await using breakwater = await startTestRegistry();
  const organization = await breakwater.proxyOrganization({
    upstream_registry: upstream.host,
    check_interval_s: 0,
    staleness_period_s: 86_400,
  });
  const name = `${organization}/team/app`;
  const verify = async () => {
    expect((await pullImage(breakwater.url, name, 'v1')).problems).toEqual([]);
    const referrers = await rawGet(`${breakwater.url}/v2/${name}/referrers/${digest}`);
    expect(referrers.status).toBe(200);
    const found = JSON.parse(referrers.bytes.toString()).manifests.map((each: { digest: string }) => each.digest);
    expect(found).toEqual([signature.manifest.digest]);
    expect((await pullImage(breakwater.url, name, signature.manifest.digest)).problems).toEqual([]);
    expect((await pullImage(breakwater.url, name, legacyTag)).problems).toEqual([]);
  };
  await verify();
  await upstream.kill();
  await verify();
  const { headers } = await rawGet(`${breakwater.url}/v2/${name}/manifests/v1`);
  expect([headers['content-type'], headers['content-length']]).toEqual([mediaType, String(bytes.byteLength)]);
}, 60_000);
