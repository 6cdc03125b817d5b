import { type Digest, digestOf, MAX_MANIFEST_BYTES, OCI_INDEX } from '@breakwater/registry-core';
import { type BuiltContent, type BuiltImage, type BuiltManifest, manifestFrom, manifestOf } from './image-builder.js';

/** How an image can be wrong. Unless its name says otherwise, the digests of a broken image are those of its bytes. */
export const BREAKAGES = [
  /** The manifest's bytes do not hash to its digest. */
  'wrong-manifest-digest',
  /** The bytes of the first layer do not hash to its digest; their number is right. */
  'wrong-layer-digest',
  /** The descriptor of the first layer gives another size than the layer has. */
  'wrong-size',
  'duplicate-keys',
  /** A key that readers which fold case take for `layers`. */
  'case-variant-keys',
  'byte-order-mark',
  'utf-16',
  'not-utf-8',
  'truncated',
  /** Docker's schema 1. */
  'schema-1',
  /** `mediaType` in the body is not the type that the manifest is served with. */
  'contradicting-media-type',
  /** Valid JSON of many nested arrays. */
  'too-deep',
  /** As many opening brackets as fit in the largest manifest. */
  'open-brackets',
  /** An index of five thousand entries. */
  'too-many-entries',
  /** Two hundred thousand keys. */
  'too-many-keys',
  /** One byte more than the largest manifest. */
  'too-large',
] as const;

export type Breakage = (typeof BREAKAGES)[number];

const SCHEMA_1 = 'application/vnd.docker.distribution.manifest.v1+prettyjws';
const NESTING = 100_000;
const ENTRIES = 5_000;
const KEYS = 200_000;

/** The image with one thing wrong. What it does not concern stays as it was. */
export function breakImage(image: BuiltImage, how: Breakage): BuiltContent {
  if (how === 'wrong-layer-digest') return { ...image, blobs: withWrongLayer(image) };
  const manifest = brokenManifest(image.manifest, how);
  return { manifest, manifests: [manifest], blobs: image.blobs };
}

function brokenManifest(good: BuiltManifest, how: Exclude<Breakage, 'wrong-layer-digest'>): BuiltManifest {
  const text = good.bytes.toString('utf8');
  const again = (bytes: string | Buffer) => manifestFrom(good.mediaType, Buffer.from(bytes));
  switch (how) {
    case 'wrong-manifest-digest':
      return { ...good, bytes: Buffer.from(`${text}\n`) };
    case 'wrong-size': {
      const body = JSON.parse(text);
      body.layers[0].size += 1;
      return manifestOf(good.mediaType, body);
    }
    case 'duplicate-keys':
      return again(text.replace('{', '{"schemaVersion": 2,'));
    case 'case-variant-keys':
      return again(text.replace('{', '{"LAYERS": [],'));
    case 'byte-order-mark':
      return again(`\ufeff${text}`);
    case 'utf-16':
      return again(Buffer.from(`\ufeff${text}`, 'utf16le'));
    case 'not-utf-8':
      return again(Buffer.from(text.replace('{', '{"note": "\u00ff",'), 'latin1'));
    case 'truncated':
      return again(text.slice(0, -2));
    case 'schema-1':
      return manifestOf(SCHEMA_1, schema1Body());
    case 'contradicting-media-type':
      return again(text.replace(good.mediaType, OCI_INDEX));
    case 'too-deep':
      return again(text.replace('{', `{"note": ${'['.repeat(NESTING)}${']'.repeat(NESTING)},`));
    case 'open-brackets':
      return again('['.repeat(MAX_MANIFEST_BYTES));
    case 'too-many-entries': {
      const entry = { mediaType: good.mediaType, digest: good.digest, size: good.bytes.byteLength };
      const manifests = Array.from({ length: ENTRIES }, () => entry);
      return manifestFrom(
        OCI_INDEX,
        Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })),
      );
    }
    case 'too-many-keys': {
      const keys = Array.from({ length: KEYS }, (_, n) => `"k${n}":1`).join(',');
      return again(text.replace('{', `{"note": {${keys}},`));
    }
    case 'too-large':
      return again(text.padEnd(MAX_MANIFEST_BYTES + 1, ' '));
  }
}

function withWrongLayer(image: BuiltImage): ReadonlyMap<Digest, Buffer> {
  const blobs = new Map(image.blobs);
  const [layer] = image.layers;
  if (layer === undefined) throw new Error('an image without layers has none to break');
  blobs.set(layer.digest, Buffer.alloc(layer.size, 'x'));
  return blobs;
}

function schema1Body(): unknown {
  return {
    schemaVersion: 1,
    name: 'org/app',
    tag: 'v1',
    architecture: 'amd64',
    fsLayers: [{ blobSum: digestOf(Buffer.from('a layer')) }],
    history: [{ v1Compatibility: '{"id":"0"}' }],
    signatures: [],
  };
}
