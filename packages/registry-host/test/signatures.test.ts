import { setTimeout as sleep } from 'node:timers/promises';
import { OCI_INDEX, OCI_MANIFEST } from '@breakwater/registry-core';
import {
  type BuiltImage,
  buildImage,
  type FaultUpstream,
  type MovableClock,
  manifestOf,
  movableClock,
  pullImage,
  rawGet,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
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

const REPOSITORY = 'team/app';
const ARTIFACT_TYPE = 'application/vnd.in-toto+json';
const image = buildImage({ seed: 'an image that is signed', layers: 1 });
const attestation = typed(buildImage({ seed: 'its attestation', layers: 1, subject: image.manifest }), ARTIFACT_TYPE);
const sbom = buildImage({ seed: 'its SBOM', layers: 2, subject: image.manifest });
const signature = buildImage({ seed: 'its signature', layers: 1 });
const tagBase = image.manifest.digest.replace(':', '-');
const sigTag = `${tagBase}.sig`;

/** The same artifact with a type of its own, for whoever lists referrers. */
function typed(artifact: BuiltImage, artifactType: string): BuiltImage {
  const manifest = manifestOf(OCI_MANIFEST, { ...JSON.parse(artifact.manifest.bytes.toString()), artifactType });
  return { ...artifact, manifest, manifests: [manifest] };
}

/** An upstream with a signed image: two referrers, and a tag. */
async function signedUpstream(): Promise<FaultUpstream> {
  const upstream = await startFaultUpstream();
  upstream.add(REPOSITORY, 'v1', image);
  upstream.add(REPOSITORY, undefined, attestation);
  upstream.add(REPOSITORY, undefined, sbom);
  upstream.add(REPOSITORY, sigTag, signature);
  return upstream;
}

interface Site {
  readonly breakwater: TestRegistry;
  readonly clock: MovableClock;
  readonly organization: string;
}

const knexOf = ({ breakwater }: Site) => breakwater.state.database.knex;
const get = ({ breakwater, organization }: Site, path: string) =>
  rawGet(`${breakwater.url}/v2/${organization}/${REPOSITORY}/${path}`);
const pull = ({ breakwater, organization }: Site, reference: string) =>
  pullImage(breakwater.url, `${organization}/${REPOSITORY}`, reference);
const looks = (at: Site) => knexOf(at)('signature_look').where({ organization: at.organization });

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 20_000; performance.now() < end; await sleep(20)) if (await holds()) return;
  throw new Error(`${what}: not within 20 s`);
}

/** Lets time pass until whatever is to be fetched behind the pull is stored. */
async function untilFetched(at: Site, contents: readonly BuiltImage[]): Promise<void> {
  await until('it is fetched behind the pull', async () => {
    at.clock.advance({ seconds: 1 });
    const stored = await knexOf(at)('content_link').where({ organization: at.organization }).pluck('digest');
    const wanted = contents.flatMap(({ manifest, blobs }) => [manifest.digest, ...blobs.keys()]);
    const pending = await looks(at).where({ pending: true });
    return pending.length === 0 && wanted.every((digest) => stored.includes(digest));
  });
}

/** As clients ask that verify: the list, what it names with its content, and the tag with its content. */
async function verify(at: Site): Promise<void> {
  const list = await get(at, `referrers/${image.manifest.digest}`);
  expect(list.status).toBe(200);
  const named = JSON.parse(list.bytes.toString()).manifests.map((each: { digest: string }) => each.digest);
  expect(named).toEqual([attestation.manifest.digest, sbom.manifest.digest]);
  for (const reference of [attestation.manifest.digest, sbom.manifest.digest, sigTag]) {
    expect((await pull(at, reference)).problems).toEqual([]);
  }
}

test('signatures, attestations and SBOMs of an image are cached with it, and served in an outage', async () => {
  await using upstream = await signedUpstream();
  const clock = movableClock(Date.now());
  await using breakwater = await startTestRegistry({ clock });
  const organization = await breakwater.proxyOrganization({
    upstream_registry: upstream.host,
    staleness_period_s: 86_400,
    check_interval_s: 3_600,
    prefetch: 'image',
  });
  const at = { breakwater, clock, organization };
  expect((await pull(at, 'v1')).problems).toEqual([]);
  await untilFetched(at, [image, attestation, sbom, signature]);

  // What is not there is asked for once, with HEAD, and never with GET; what is there once as well.
  const asked = (reference: string, method?: string) =>
    upstream.count({ kind: 'manifest', reference, ...(method === undefined ? {} : { method }) });
  expect([`${tagBase}.att`, `${tagBase}.sbom`].map((tag) => [asked(tag), asked(tag, 'HEAD')])).toEqual([
    [1, 1],
    [1, 1],
  ]);
  expect(asked(sigTag, 'GET')).toBe(1);
  upstream.reset();
  expect((await pull(at, 'v1')).problems).toEqual([]);
  await sleep(1_500);
  expect(upstream.requests).toEqual([]);

  // An hour later the image is pulled again: what is there is confirmed, what signs a signature is nobody's question.
  clock.advance({ minutes: 46 });
  expect((await pull(at, 'v1')).problems).toEqual([]);
  await until('the signature is confirmed', async () => {
    clock.advance({ seconds: 1 });
    return asked(sigTag, 'HEAD') === 1;
  });
  expect(asked(`${tagBase}.att`)).toBe(0);
  expect(await looks(at).pluck('digest')).toEqual([image.manifest.digest]);

  await upstream.kill();
  clock.advance({ hours: 2 });
  await verify(at);
  for (const path of [`manifests/v1`, `manifests/${sigTag}`, `referrers/${image.manifest.digest}`]) {
    const { status, headers } = await get(at, path);
    expect([path, status, headers['warning']]).toEqual([path, 200, expect.stringContaining('299')]);
  }
  // Those of one type are taken out of the list of all.
  const ofType = await get(at, `referrers/${image.manifest.digest}?artifactType=${encodeURIComponent(ARTIFACT_TYPE)}`);
  expect([ofType.status, ofType.headers['oci-filters-applied'], ofType.headers['warning']]).toEqual([
    200,
    'artifactType',
    expect.stringContaining('299'),
  ]);
  expect(JSON.parse(ofType.bytes.toString()).manifests.map((each: { digest: string }) => each.digest)).toEqual([
    attestation.manifest.digest,
  ]);
}, 60_000);

test('where nobody is let into the list of referrers, the tags of signatures are looked for all the same', async () => {
  await using upstream = await signedUpstream();
  upstream.fault({ kind: 'status', status: 403 }, { match: { kind: 'referrers' } });
  const clock = movableClock(Date.now());
  await using breakwater = await startTestRegistry({ clock });
  const organization = await breakwater.proxyOrganization({
    upstream_registry: upstream.host,
    staleness_period_s: 86_400,
    prefetch: 'image',
  });
  const at = { breakwater, clock, organization };
  expect((await pull(at, 'v1')).problems).toEqual([]);
  await untilFetched(at, [image, signature]);
}, 60_000);

test('where prefetch is off nothing is looked for, and an outage finds nothing of what nobody has pulled', async () => {
  await using upstream = await signedUpstream();
  const clock = movableClock(Date.now());
  await using breakwater = await startTestRegistry({ clock });
  const organization = await breakwater.proxyOrganization({
    upstream_registry: upstream.host,
    staleness_period_s: 86_400,
    prefetch: 'off',
  });
  const at = { breakwater, clock, organization };
  expect((await pull(at, 'v1')).problems).toEqual([]);
  clock.advance({ seconds: 5 });
  await sleep(2_500);
  expect(await looks(at)).toEqual([]);
  expect(upstream.requests.filter(({ reference }) => reference?.includes(tagBase))).toEqual([]);
  await upstream.kill();
  expect((await pull(at, 'v1')).problems).toEqual([]);
  expect((await get(at, `referrers/${image.manifest.digest}`)).status).toBe(503);
  expect((await get(at, `manifests/${sigTag}`)).status).toBe(503);
}, 60_000);
