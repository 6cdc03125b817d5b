import {
  type Digest,
  digestAlgorithm,
  digestHex,
  LARGEST_MANIFEST_BYTES,
  parseManifest,
  parseTag,
  type StoredManifest,
  type Tag,
} from '@breakwater/registry-core';

/** What cosign puts beside an image where it does not use referrers: signature, attestation, SBOM. */
const ENDINGS = ['sig', 'att', 'sbom'] as const;
/** Layers of file systems and of charts are archives; what signs or describes something is not. */
const ARCHIVE = /\btar\b/;

/** The tags that cosign makes of a digest, `sha256-<hex>.sig` and so on. */
export function signatureTags(digest: Digest): readonly Tag[] {
  return ENDINGS.flatMap((ending) => parseTag(`${digestAlgorithm(digest)}-${digestHex(digest)}.${ending}`) ?? []);
}

/** Whether signatures are looked for: an image or an index of images is signed, what signs one is not. */
export function canBeSigned({ bytes, mediaType }: StoredManifest): boolean {
  const manifest = parseManifest(bytes, mediaType, LARGEST_MANIFEST_BYTES);
  if (manifest.subject !== undefined) return false;
  return manifest.kind === 'index' || manifest.layers.some((layer) => ARCHIVE.test(layer.mediaType));
}
