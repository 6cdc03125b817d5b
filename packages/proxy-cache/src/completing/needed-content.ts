import {
  type Digest,
  isIndexMediaType,
  isManifestMediaType,
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
  /** Whether it is a list of manifests itself. */
  readonly isIndex: boolean;
}

/** The platform under which an index lists what describes its images, as BuildKit's attestations. Nobody runs it. */
const NOT_RUN = 'unknown/unknown';

/** What a stored manifest takes to be pulled. */
export type ImageNeeds =
  | { readonly kind: 'image'; readonly config: Digest; readonly blobs: readonly NeededContent[] }
  | { readonly kind: 'index'; readonly manifests: readonly ListedManifest[] };

/** @throws RegistryError MANIFEST_INVALID; what is stored was read once already, so that this is not to be expected */
export function imageNeeds(manifest: StoredManifest): ImageNeeds {
  const parsed = parseManifest(manifest.bytes, manifest.mediaType, LARGEST_MANIFEST_BYTES);
  return parsed.kind === 'image' ? needsOfImage(parsed) : { kind: 'index', manifests: listed(parsed, manifest.bytes) };
}

/** Whether a manifest is of an image that can be run, and not a description of one. */
export function isRunnable({ platform }: Pick<ListedManifest, 'platform'>): boolean {
  return platform !== NOT_RUN;
}

/** Which manifests of an index are wanted: all, all that can be run, or those of some platforms. */
export type WantedPlatforms = 'all' | 'runnable' | ReadonlySet<string>;

/**
 * The manifests of an index that are of a wanted platform. `linux/arm64` stands for its variants, and they for it: which
 * of the two an index has is a matter of taste. Where the index does not say what a manifest is for, that may be any
 * platform that it does not name.
 */
export function manifestsFor(
  { manifests }: ImageNeeds & { kind: 'index' },
  platforms: WantedPlatforms,
): readonly ListedManifest[] {
  if (platforms === 'all') return manifests;
  if (platforms === 'runnable') return manifests.filter(isRunnable);
  const wanted = [...platforms];
  const isListed = (each: string) => manifests.some(({ platform = '' }) => isSame(platform, each));
  const areListed = wanted.every(isListed);
  return manifests.filter(({ platform }) =>
    platform === undefined ? !areListed : wanted.some((each) => isSame(platform, each)),
  );
}

/** Whether two names mean one platform, where one of them leaves the variant out. */
function isSame(one: string, other: string): boolean {
  return `${one}/`.startsWith(`${other}/`) || `${other}/`.startsWith(`${one}/`);
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
  return manifests.map(({ digest, size, mediaType }, index) => ({
    kind: 'manifest',
    digest,
    size,
    platform: platformName(body.manifests[index]?.platform),
    isIndex: isManifestMediaType(mediaType) && isIndexMediaType(mediaType),
  }));
}
