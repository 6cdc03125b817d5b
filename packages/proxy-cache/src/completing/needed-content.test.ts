import { type Digest, parseManifest } from '@breakwater/registry-core';
import { type BuiltManifest, buildImage, buildIndex, manifestOf } from '@breakwater/test-kit';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { imageNeeds, type ListedManifest, manifestsFor, platformName } from './needed-content.js';

const stored = ({ digest, mediaType, bytes }: BuiltManifest) => ({
  digest,
  mediaType: parseManifest(bytes, mediaType).mediaType,
  bytes,
});

test.each(['oci', 'docker'] as const)('an image of %s takes its config and its layers, once each', (mediaTypes) => {
  const image = buildImage({
    seed: 'needed',
    layers: [10, 20],
    mediaTypes,
    foreignLayerUrls: ['https://example.com/x'],
  });
  const needs = imageNeeds(stored(image.manifest));
  if (needs.kind !== 'image') throw new Error('it is an image');
  // Not the layer that only its `urls` give.
  expect(new Set(needs.blobs.map(({ digest }) => digest))).toEqual(new Set(image.blobs.keys()));
  expect(needs.config).toBe(image.config.digest);
});

test('an index takes its manifests, each with its platform', () => {
  const arm = buildImage({ seed: 1, platform: { os: 'linux', architecture: 'arm', variant: 'v7' } });
  const index = buildIndex([buildImage({ seed: 2 }), arm]);
  const needs = imageNeeds(stored(index.manifest));
  if (needs.kind !== 'index') throw new Error('it is an index');
  expect(needs.manifests.map(({ digest, platform }) => [digest, platform])).toEqual([
    [index.images[0]?.manifest.digest, 'linux/amd64'],
    [arm.manifest.digest, 'linux/arm/v7'],
  ]);
});

test('an index may leave the platform out', () => {
  const { manifest } = buildImage({ seed: 3 });
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const listed = { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.bytes.byteLength };
  const needs = imageNeeds(stored(manifestOf(mediaType, { schemaVersion: 2, mediaType, manifests: [listed] })));
  expect(needs).toEqual({ kind: 'index', manifests: [expect.objectContaining({ platform: undefined })] });
  for (const nothing of [undefined, null, 'linux/amd64', {}, { os: 'linux' }, { os: 1, architecture: 2 }]) {
    expect(platformName(nothing)).toBeUndefined();
  }
});

describe('the manifests of a wanted platform', () => {
  const list = (...platforms: readonly (string | undefined)[]) => ({
    kind: 'index' as const,
    manifests: platforms.map(
      (platform, n): ListedManifest => ({
        kind: 'manifest',
        digest: `sha256:${String(n).padStart(64, '0')}` as Digest,
        size: 1,
        isIndex: false,
        platform,
      }),
    ),
  });
  const ATTESTATION = 'unknown/unknown';
  const names = fc.constantFrom(
    'linux/amd64',
    'linux/arm64',
    'linux/arm64/v8',
    'linux/arm/v6',
    'linux/arm/v7',
    'windows/amd64',
    undefined,
    ATTESTATION,
  );

  const cases: readonly (readonly [string[], (string | undefined)[], (string | undefined)[]])[] = [
    [['linux/arm64'], ['linux/amd64', 'linux/arm64/v8'], ['linux/arm64/v8']],
    [['linux/arm64/v8'], ['linux/amd64', 'linux/arm64'], ['linux/arm64']],
    [['linux/arm/v7'], ['linux/arm/v6', 'linux/arm/v7', 'linux/arm64'], ['linux/arm/v7']],
    [['linux/amd64'], ['linux/amd64', ATTESTATION], ['linux/amd64']],
    // Nobody says what the others are for.
    [['linux/amd64'], [undefined, undefined], [undefined, undefined]],
    [['linux/amd64'], ['linux/arm64', undefined, ATTESTATION], [undefined]],
    [['linux/amd64'], ['linux/amd64', undefined], ['linux/amd64']],
    // Not listed any more, and nothing that it could be.
    [['linux/s390x'], ['linux/amd64', ATTESTATION], []],
    [[], ['linux/amd64', undefined], []],
  ];
  test.each(cases)('%j of %j: %j', (wanted, listed, expected) => {
    expect(manifestsFor(list(...listed), new Set(wanted)).map(({ platform }) => platform)).toEqual(expected);
  });

  test('whatever is listed: all that can be run is no more than all, and has no description of an image', () => {
    fc.assert(
      fc.property(fc.array(names), (listed) => {
        const runnable = manifestsFor(list(...listed), 'runnable').map(({ platform }) => platform);
        expect(runnable).toEqual(listed.filter((platform) => platform !== ATTESTATION));
        expect(manifestsFor(list(...listed), 'all')).toHaveLength(listed.length);
      }),
    );
  });

  test('whatever is listed: what was complete and is still listed is wanted, with a variant or without', () => {
    const withoutVariant = (name: string) => name.split('/').slice(0, 2).join('/');
    fc.assert(
      fc.property(fc.array(names), fc.integer({ min: 0, max: 20 }), (listed, at) => {
        const one = listed[at];
        fc.pre(one !== undefined && one !== ATTESTATION);
        for (const wanted of [one, withoutVariant(one)]) {
          const found = manifestsFor(list(...listed), new Set([wanted]));
          expect(found.map(({ platform }) => platform)).toContain(one);
          // And nothing of another machine.
          for (const { platform = '' } of found) expect(withoutVariant(platform)).toBe(withoutVariant(one));
        }
      }),
    );
  });
});
