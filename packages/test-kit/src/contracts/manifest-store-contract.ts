import {
  DOCKER_MANIFEST,
  isManifestMediaType,
  type ManifestStore,
  OCI_MANIFEST,
  type StoredManifest,
} from '@breakwater/registry-core';
import { type BuiltManifest, buildImage, buildIndex, manifestOf } from '../images/image-builder.js';
import { jestGlobals } from './jest-globals.js';
import { SAMPLE } from './repositories.js';

/** A built manifest as a store takes it. */
export function storable(manifest: BuiltManifest): StoredManifest {
  if (!isManifestMediaType(manifest.mediaType)) throw new Error(`${manifest.mediaType} is not a manifest's media type`);
  return { digest: manifest.digest, mediaType: manifest.mediaType, bytes: manifest.bytes };
}

/** What every ManifestStore must do. `make` gives an empty one for each test. */
export function describeManifestStore(
  name: string,
  make: () => Promise<{ readonly manifests: ManifestStore; close?(): Promise<void> }>,
): void {
  const { afterEach, beforeEach, describe, expect, test } = jestGlobals();
  const { repository, others } = SAMPLE;

  describe(`ManifestStore contract: ${name}`, () => {
    let made: Awaited<ReturnType<typeof make>>;
    beforeEach(async () => {
      made = await make();
    });
    afterEach(() => made.close?.());

    async function read(from: typeof repository, manifest: BuiltManifest) {
      const found = await made.manifests.get(from, manifest.digest);
      return found && { ...found, bytes: Buffer.from(found.bytes) };
    }

    test('a manifest that was never put is a miss', async () => {
      expect(await read(repository, buildImage({ seed: 'miss' }).manifest)).toBeUndefined();
    });

    test('gives the bytes and the media type as they came', async () => {
      for (const mediaTypes of ['oci', 'docker'] as const) {
        const image = buildImage({ seed: mediaTypes, mediaTypes });
        const index = buildIndex([image], { mediaTypes });
        for (const manifest of [index.manifest, image.manifest]) {
          await made.manifests.put(repository, storable(manifest));
          expect(await read(repository, manifest)).toEqual(storable(manifest));
        }
      }
    });

    test('is readable only in the repository that it was put into (I6)', async () => {
      const { manifest } = buildImage({ seed: 'linked' });
      await made.manifests.put(repository, storable(manifest));
      for (const other of others) expect(await read(other, manifest)).toBeUndefined();
    });

    test('putting again changes nothing', async () => {
      const { manifest } = buildImage({ seed: 'again' });
      await made.manifests.put(repository, storable(manifest));
      await made.manifests.put(repository, storable(manifest));
      expect(await read(repository, manifest)).toEqual(storable(manifest));
    });

    test('the media type of bytes that name none is that of each repository', async () => {
      const { config, layers } = buildImage({ seed: 'untyped' });
      const { digest, bytes } = manifestOf(OCI_MANIFEST, { schemaVersion: 2, config, layers });
      const [other = repository] = others;
      await made.manifests.put(repository, { digest, bytes, mediaType: OCI_MANIFEST });
      await made.manifests.put(other, { digest, bytes, mediaType: DOCKER_MANIFEST });
      expect((await made.manifests.get(repository, digest))?.mediaType).toBe(OCI_MANIFEST);
      expect((await made.manifests.get(other, digest))?.mediaType).toBe(DOCKER_MANIFEST);
    });

    test('takes many puts of images that share content at once', async () => {
      const images = Array.from({ length: 8 }, (_, seed) => buildImage({ seed: seed % 4, layers: 3 }));
      const puts = [repository, ...others].flatMap((each) =>
        images.map((image) => made.manifests.put(each, storable(image.manifest))),
      );
      await Promise.all(puts);
      for (const each of [repository, ...others]) {
        for (const image of images) expect(await read(each, image.manifest)).toEqual(storable(image.manifest));
      }
    });
  });
}
