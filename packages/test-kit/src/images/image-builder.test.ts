import { gunzipSync } from 'node:zlib';
import { digestOf, manifestReferences, parseManifest } from '@breakwater/registry-core';
import { describe, expect, test } from '@jest/globals';
import { buildImage, buildIndex } from './image-builder.js';

describe('buildImage', () => {
  test.each(['oci', 'docker'] as const)('an image of %s types is valid and whole', (mediaTypes) => {
    const image = buildImage({ seed: 'a', layers: [10, 5000], mediaTypes, annotations: { k: 'v' } });
    expect(digestOf(image.manifest.bytes)).toBe(image.manifest.digest);
    const parsed = parseManifest(image.manifest.bytes, image.manifest.mediaType);
    const needed = manifestReferences(parsed).map((reference) => reference.descriptor);
    expect(needed).toHaveLength(3);
    for (const { digest, size } of needed) {
      const blob = image.blobs.get(digest);
      expect(blob?.byteLength).toBe(size);
      expect(digestOf(blob ?? Buffer.alloc(0))).toBe(digest);
    }
  });

  test('the configuration names the layers by what they unzip to', () => {
    const image = buildImage({ seed: 'a' });
    const config: { rootfs: { diff_ids: string[] } } = JSON.parse(String(image.blobs.get(image.config.digest)));
    const unzipped = image.layers.map((layer) => digestOf(gunzipSync(image.blobs.get(layer.digest) ?? '')));
    expect(config.rootfs.diff_ids).toEqual(unzipped);
  });

  test('the same seed gives the same bytes, another seed shares nothing', () => {
    const [first, again, other] = [buildImage({ seed: 1 }), buildImage({ seed: 1 }), buildImage({ seed: 2 })];
    expect(again).toEqual(first);
    expect([...other.blobs.keys()].filter((digest) => first.blobs.has(digest))).toEqual([]);
  });

  test('a known image has the bytes it always had', () => {
    expect(buildImage({ seed: 'known' }).manifest.digest).toMatchInlineSnapshot(
      `"sha256:3b197f1fdc810624c72fae1385d942575027f282217ef86a1a937d06da2825f1"`,
    );
  });

  test('a foreign layer is described, and not there', () => {
    const image = buildImage({ seed: 'a', foreignLayerUrls: ['http://192.0.2.1/layer'] });
    const layer = image.layers.at(-1);
    expect(layer?.['urls']).toEqual(['http://192.0.2.1/layer']);
    expect(layer !== undefined && image.blobs.has(layer.digest)).toBe(false);
  });
});

describe('buildIndex', () => {
  test.each(['oci', 'docker'] as const)(
    'an index of %s types lists its images and holds what they need',
    (mediaTypes) => {
      const arm = buildImage({
        seed: 'arm',
        mediaTypes,
        platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
      });
      const index = buildIndex([buildImage({ seed: 'amd', mediaTypes }), arm], { mediaTypes });
      const parsed = parseManifest(index.manifest.bytes, index.manifest.mediaType);
      const listed = manifestReferences(parsed).map((reference) => reference.descriptor.digest);
      expect(listed).toEqual(index.images.map((image) => image.manifest.digest));
      expect(index.manifests.map((manifest) => manifest.digest)).toEqual([index.manifest.digest, ...listed]);
      expect(index.blobs.size).toBe(6);
    },
  );
});
