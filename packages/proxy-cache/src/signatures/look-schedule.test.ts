import { parseManifest } from '@breakwater/registry-core';
import { buildImage, buildIndex } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isDue, nextLook } from './look-schedule.js';
import { canBeSigned, signatureTags } from './signature-tags.js';

const HOUR_MS = 3_600_000;
const DAY = { stalenessPeriodS: 86_400, checkIntervalS: null };
const absent = (misses: number) => ({ found: false, misses, absentAt: 0, lookedForAbsent: true });

test('what is not there is asked for after 1, 4 and 16 hours, and once a day from then on', () => {
  expect([1, 2, 3, 4, 50].map((misses) => nextLook(absent(misses), DAY, 0).at / HOUR_MS)).toEqual([1, 4, 16, 24, 24]);
});

test('what is there is looked at when a pull would check it ahead, and what is not there keeps its time', () => {
  const found = { found: true, misses: 3, absentAt: 20 * HOUR_MS, lookedForAbsent: false };
  expect(nextLook(found, DAY, 0)).toEqual({ at: 18 * HOUR_MS, absentAt: 20 * HOUR_MS });
  expect(nextLook({ ...found, absentAt: 5 }, DAY, 0)).toEqual({ at: 5, absentAt: 5 });
  expect([17, 18].map((hours) => isDue(hours * HOUR_MS, DAY))).toEqual([false, true]);
});

test('what is there is looked at before it lapses, and never more than once a minute', () => {
  const settings = fc.integer({ min: 1, max: 1e7 }).chain((stalenessPeriodS) =>
    fc.record({
      stalenessPeriodS: fc.constant(stalenessPeriodS),
      checkIntervalS: fc.option(fc.integer({ min: 0, max: stalenessPeriodS }), { nil: null }),
    }),
  );
  fc.assert(
    fc.property(settings, fc.integer({ min: 1, max: 100 }), (periods, misses) => {
      const { at } = nextLook({ found: true, misses, absentAt: 0, lookedForAbsent: true }, periods, 0);
      expect(at).toBeGreaterThanOrEqual(60_000);
      expect(at).toBeLessThanOrEqual(Math.max(60_000, periods.stalenessPeriodS * 750));
    }),
  );
});

test('cosign makes three tags of a digest', () => {
  const { digest } = buildImage({ seed: 1 }).manifest;
  const hex = digest.slice('sha256:'.length);
  expect(signatureTags(digest)).toEqual([`sha256-${hex}.sig`, `sha256-${hex}.att`, `sha256-${hex}.sbom`]);
});

test('images and indexes are signed; what refers to an image, or holds no archive, is not', () => {
  const stored = ({ digest, mediaType, bytes }: ReturnType<typeof buildImage>['manifest']) => ({
    digest,
    mediaType: parseManifest(bytes, mediaType).mediaType,
    bytes,
  });
  const image = buildImage({ seed: 1, layers: 1 });
  expect(canBeSigned(stored(image.manifest))).toBe(true);
  expect(canBeSigned(stored(buildImage({ seed: 1, layers: 1, mediaTypes: 'docker' }).manifest))).toBe(true);
  expect(canBeSigned(stored(buildIndex([image]).manifest))).toBe(true);
  expect(canBeSigned(stored(buildImage({ seed: 2, layers: 1, subject: image.manifest }).manifest))).toBe(false);
  expect(canBeSigned(stored(buildImage({ seed: 3, layers: 0 }).manifest))).toBe(false);
});
