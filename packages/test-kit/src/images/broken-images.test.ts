import { digestOf, MAX_MANIFEST_BYTES, parseManifest } from '@breakwater/registry-core';
import { describe, expect, test } from '@jest/globals';
import { BREAKAGES, breakImage } from './broken-images.js';
import { buildImage } from './image-builder.js';

const image = buildImage({ seed: 'broken' });
/** These are wrong beside the text of the manifest, which is fine by itself. */
const PARSES = ['wrong-manifest-digest', 'wrong-layer-digest', 'wrong-size'];

describe('breakImage', () => {
  test.each(BREAKAGES.filter((how) => !PARSES.includes(how)))('%s is refused by the reader of manifests', (how) => {
    const { manifest } = breakImage(image, how);
    expect(() => parseManifest(manifest.bytes, manifest.mediaType)).toThrow();
    expect(digestOf(manifest.bytes)).toBe(manifest.digest);
    if (how !== 'too-large') expect(manifest.bytes.byteLength).toBeLessThanOrEqual(MAX_MANIFEST_BYTES);
  });

  test.each(PARSES)('%s leaves a manifest that can be read', (how) => {
    const { manifest } = breakImage(image, BREAKAGES.find((name) => name === how) ?? 'truncated');
    expect(parseManifest(manifest.bytes, manifest.mediaType).kind).toBe('image');
  });

  test('the digests are wrong where that is the fault', () => {
    const { manifest } = breakImage(image, 'wrong-manifest-digest');
    expect(digestOf(manifest.bytes)).not.toBe(manifest.digest);
    const { blobs } = breakImage(image, 'wrong-layer-digest');
    const wrong = [...blobs].filter(([digest, bytes]) => digestOf(bytes) !== digest);
    expect(wrong.map(([digest, bytes]) => [digest, bytes.byteLength])).toEqual([
      [image.layers[0]?.digest, image.layers[0]?.size],
    ]);
  });

  test('the size is wrong where that is the fault', () => {
    const manifest = JSON.parse(String(breakImage(image, 'wrong-size').manifest.bytes));
    expect(manifest.layers[0].size - (image.layers[0]?.size ?? 0)).toBe(1);
  });
});
