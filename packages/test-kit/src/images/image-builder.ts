import {
  type Digest,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  digestOf,
  type ManifestMediaType,
  OCI_INDEX,
  OCI_MANIFEST,
} from '@breakwater/registry-core';
import { gzipStored, seededBytes, tarOf } from './tar.js';

/** A manifest as a registry hands it out. `digest` is what it is addressed by; only broken images have another one. */
export interface BuiltManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** A reference to built content, as it stands in a manifest. `size` is in bytes. */
export interface BuiltDescriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly [extra: string]: unknown;
}

/** What a registry has to hold so that something can be pulled. */
export interface BuiltContent {
  /** The manifest that a tag points to. */
  readonly manifest: BuiltManifest;
  /** Every manifest, that one first, then the children of an index. */
  readonly manifests: readonly BuiltManifest[];
  /** Every blob by its digest. */
  readonly blobs: ReadonlyMap<Digest, Buffer>;
}

/** A platform as it stands in an index. */
export interface BuiltPlatform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** One image for one platform. */
export interface BuiltImage extends BuiltContent {
  readonly config: BuiltDescriptor;
  /** The layers in order, lowest first. */
  readonly layers: readonly BuiltDescriptor[];
  readonly platform: BuiltPlatform;
}

/** Several images under one manifest. */
export interface BuiltIndex extends BuiltContent {
  readonly images: readonly BuiltImage[];
}

export interface ImageOptions {
  /** Tells images apart: the same options give the same bytes, another seed gives other bytes everywhere. */
  readonly seed: string | number;
  /** How many layers (1 KiB each), or the size in bytes of the one file inside of each. Two of them unless told. */
  readonly layers?: number | readonly number[];
  /** The family of media types; `oci` unless told. */
  readonly mediaTypes?: 'oci' | 'docker';
  readonly platform?: BuiltPlatform;
  readonly annotations?: Readonly<Record<string, string>>;
  /** The manifest that this one refers to. */
  readonly subject?: BuiltManifest;
  /** Adds a layer that is not in `blobs` and whose descriptor carries these `urls`. */
  readonly foreignLayerUrls?: readonly string[];
}

export interface IndexOptions {
  readonly mediaTypes?: 'oci' | 'docker';
  readonly annotations?: Readonly<Record<string, string>>;
}

const TYPES = {
  oci: {
    manifest: OCI_MANIFEST,
    index: OCI_INDEX,
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
    foreignLayer: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  },
  docker: {
    manifest: DOCKER_MANIFEST,
    index: DOCKER_LIST,
    config: 'application/vnd.docker.container.image.v1+json',
    layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
    foreignLayer: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  },
} as const satisfies Record<
  'oci' | 'docker',
  { manifest: ManifestMediaType; index: ManifestMediaType; [k: string]: string }
>;

const DEFAULT_PLATFORM: BuiltPlatform = { os: 'linux', architecture: 'amd64' };
const DEFAULT_LAYER_BYTES = 1024;

/**
 * An image that real clients accept: gzipped tar layers, a configuration whose `diff_ids` match them, and a manifest.
 * The same options give the same bytes, on every machine.
 */
export function buildImage(options: ImageOptions): BuiltImage {
  const { layers = 2, mediaTypes = 'oci', platform = DEFAULT_PLATFORM } = options;
  const types = TYPES[mediaTypes];
  const sizes = typeof layers === 'number' ? Array.from({ length: layers }, () => DEFAULT_LAYER_BYTES) : layers;
  const archives = sizes.map((size, index) =>
    tarOf(`layer-${index}.bin`, seededBytes(`${options.seed}/${index}`, size)),
  );
  const layerBlobs = archives.map(gzipStored);
  const foreign = options.foreignLayerUrls === undefined ? undefined : foreignArchive(options.seed);
  const configBlob = jsonBytes({
    created: '2024-01-01T00:00:00Z',
    ...platform,
    config: { Env: ['PATH=/'], Labels: { 'org.example.seed': String(options.seed) } },
    rootfs: {
      type: 'layers',
      diff_ids: [...archives, ...(foreign === undefined ? [] : [foreign])].map((bytes) => digestOf(bytes)),
    },
    history: sizes.map((_, index) => ({ created: '2024-01-01T00:00:00Z', created_by: `layer ${index}` })),
  });
  const config = describeBlob(types.config, configBlob);
  const described = layerBlobs.map((blob) => describeBlob(types.layer, blob));
  if (foreign !== undefined) {
    described.push({ ...describeBlob(types.foreignLayer, gzipStored(foreign)), urls: options.foreignLayerUrls });
  }
  const manifest = manifestOf(types.manifest, {
    schemaVersion: 2,
    mediaType: types.manifest,
    config,
    layers: described,
    ...(options.subject === undefined ? {} : { subject: describeManifest(options.subject) }),
    ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
  });
  return {
    manifest,
    manifests: [manifest],
    blobs: new Map([configBlob, ...layerBlobs].map((blob) => [digestOf(blob), blob])),
    config,
    layers: described,
    platform,
  };
}

/** An index of images, in the order given. It holds what all of them need. */
export function buildIndex(images: readonly BuiltImage[], options: IndexOptions = {}): BuiltIndex {
  const mediaType = TYPES[options.mediaTypes ?? 'oci'].index;
  const manifest = manifestOf(mediaType, {
    schemaVersion: 2,
    mediaType,
    manifests: images.map((image) => ({ ...describeManifest(image.manifest), platform: image.platform })),
    ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
  });
  return {
    manifest,
    manifests: [manifest, ...images.flatMap((image) => image.manifests)],
    blobs: new Map(images.flatMap((image) => [...image.blobs])),
    images,
  };
}

/** A manifest whose body is this value as JSON. */
export function manifestOf(mediaType: string, body: unknown): BuiltManifest {
  return manifestFrom(mediaType, jsonBytes(body));
}

/** A manifest of exactly these bytes. */
export function manifestFrom(mediaType: string, bytes: Buffer): BuiltManifest {
  return { digest: digestOf(bytes), mediaType, bytes };
}

function foreignArchive(seed: string | number): Buffer {
  return tarOf('foreign.bin', seededBytes(`${seed}/foreign`, DEFAULT_LAYER_BYTES));
}

function describeBlob(mediaType: string, bytes: Buffer): BuiltDescriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
}

function describeManifest(manifest: BuiltManifest): BuiltDescriptor {
  return { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.bytes.byteLength };
}

function jsonBytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value, null, 2), 'utf8');
}
