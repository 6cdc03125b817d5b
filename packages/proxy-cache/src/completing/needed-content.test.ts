import { parseManifest } from '@breakwater/registry-core';
import { type BuiltManifest, buildImage, buildIndex, manifestOf } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import { imageNeeds, platformName } from './needed-content.js';

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
