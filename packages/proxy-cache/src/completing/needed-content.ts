import {
  type Digest,
  LARGEST_MANIFEST_BYTES,
  type Manifest,
  parseManifest,
  type StoredManifest,
} from '@breakwater/registry-core';
import type { NeededContent } from './missing-content.js';

/** Layers that only their `urls` give, and that no client asks a registry for (image-spec, "non-distributable"). */
const NOT_DISTRIBUTED = /\bforeign\b|\bnondistributable\b/;

/** A manifest that an index lists. */
export interface ListedManifest extends NeededContent {
  /** `os/architecture[/variant]`; `undefined` where the index does not say. */
  readonly platform: string | undefined;
}

/** What a stored manifest takes to be pulled. */
export type ImageNeeds =
  | { readonly kind: 'image'; readonly config: Digest; readonly blobs: readonly NeededContent[] }
  | { readonly kind: 'index'; readonly manifests: readonly ListedManifest[] };

/** @throws RegistryError MANIFEST_INVALID; what is stored was read once already, so that this is not to be expected */
export function imageNeeds(manifest: StoredManifest): ImageNeeds {
  const parsed = parseManifest(manifest.bytes, manifest.mediaType, LARGEST_MANIFEST_BYTES);
  return parsed.kind === 'image' ? needsOfImage(parsed) : { kind: 'index', manifests: listed(parsed, manifest.bytes) };
}

/** Which platforms of an index are wanted. `linux/arm64` stands for its variants, too. */
export type WantedPlatforms = 'all' | ReadonlySet<string>;

/** The manifests of an index that are of a wanted platform. */
export function manifestsFor(
  { manifests }: ImageNeeds & { kind: 'index' },
  platforms: WantedPlatforms,
): readonly ListedManifest[] {
  if (platforms === 'all') return manifests;
  return manifests.filter(({ platform = '' }) =>
    [...platforms].some((wanted) => platform === wanted || platform.startsWith(`${wanted}/`)),
  );
}

/** The name of a platform, from the object that an index or an image configuration has for it. */
export function platformName(value: unknown): string | undefined {
  const { os, architecture, variant } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined;
  return [os, architecture, ...(typeof variant === 'string' && variant !== '' ? [variant] : [])].join('/');
}

function needsOfImage({ config, layers }: Manifest & { kind: 'image' }): ImageNeeds {
  const blobs = new Map<Digest, NeededContent>();
  for (const { mediaType, digest, size } of [config, ...layers]) {
    if (!NOT_DISTRIBUTED.test(mediaType)) blobs.set(digest, { kind: 'blob', digest, size });
  }
  return { kind: 'image', config: config.digest, blobs: [...blobs.values()] };
}

function listed({ manifests }: Manifest & { kind: 'index' }, bytes: Uint8Array): readonly ListedManifest[] {
  const body = JSON.parse(Buffer.from(bytes).toString('utf8')) as { manifests: readonly { platform?: unknown }[] };
  return manifests.map(({ digest, size }, index) => ({
    kind: 'manifest',
    digest,
    size,
    platform: platformName(body.manifests[index]?.platform),
  }));
}
