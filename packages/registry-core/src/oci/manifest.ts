import { type Digest, parseDigest } from './digest.js';
import { RegistryError } from './errors.js';
import {
  bareMediaType,
  isGenericMediaType,
  isIndexMediaType,
  isManifestMediaType,
  isSchema1MediaType,
  type ManifestMediaType,
  OCI_INDEX,
  OCI_MANIFEST,
} from './media-types.js';
import { parseStrictJson } from './strict-json.js';

/** A reference from a manifest to other content (image-spec descriptor.md). `size` is in bytes. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
}

/** What any manifest may say of itself, for whoever lists referrers. Absent, too, where it is not of the right type. */
interface ManifestFacts {
  readonly subject?: Descriptor;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A manifest of one image or artifact. */
export interface ImageManifest extends ManifestFacts {
  readonly kind: 'image';
  readonly mediaType: ManifestMediaType;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** A list of manifests, one per platform as a rule. */
export interface IndexManifest extends ManifestFacts {
  readonly kind: 'index';
  readonly mediaType: ManifestMediaType;
  readonly manifests: readonly Descriptor[];
}

export type Manifest = ImageManifest | IndexManifest;

/** Largest manifest in bytes that is accepted by default (distribution-spec, "Pushing manifests": at least 4 MiB). */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** Largest manifest in bytes that an operator can have accepted (S33). */
export const LARGEST_MANIFEST_BYTES = 32 * 1024 * 1024;
const MAX_INDEX_ENTRIES = 1_000;
const MAX_LAYERS = 1_000;
const JSON_LIMITS = { depth: 32, tokens: 100_000 };

/** Keys whose case variants other readers would take for the key itself. */
const PROTECTED_KEYS = [
  'schemaVersion',
  'mediaType',
  'config',
  'layers',
  'manifests',
  'subject',
  'artifactType',
  'annotations',
  'digest',
  'size',
  'urls',
  'platform',
  'data',
];

/**
 * Reads a manifest's bytes under the media type that came with them. A type that says nothing (none, text/plain, json,
 * octet-stream) leaves the choice to the `mediaType` in the body; two different manifest types are a contradiction.
 *
 * @throws RegistryError MANIFEST_INVALID, with a message that names what was wrong; of Docker's schema 1 the detail says
 *   `schema_version` 1
 */
export function parseManifest(
  bytes: Uint8Array,
  contentType: string | undefined,
  maxBytes = MAX_MANIFEST_BYTES,
): Manifest {
  if (bytes.byteLength > maxBytes) {
    throw invalid(`the manifest is larger than ${maxBytes} bytes`);
  }
  const body = asObject(parseStrictJson(bytes, JSON_LIMITS, PROTECTED_KEYS), 'the manifest');
  const mediaType = manifestMediaType(bareMediaType(contentType), body);
  if (body['schemaVersion'] !== 2) throw invalid('the manifest has no "schemaVersion" 2');
  const facts = readFacts(body);
  return isIndexMediaType(mediaType) ? readIndex(body, mediaType, facts) : readImage(body, mediaType, facts);
}

/**
 * The type under which a manifest is listed as a referrer (distribution-spec, "Listing Referrers"): its own, else that of
 * an image's config; `undefined` for an index without one.
 */
export function referrerType(manifest: Manifest): string | undefined {
  if (manifest.artifactType !== undefined && manifest.artifactType !== '') return manifest.artifactType;
  return manifest.kind === 'image' ? manifest.config.mediaType : undefined;
}

function readFacts(body: Record<string, unknown>): ManifestFacts {
  const { artifactType, annotations } = body;
  return {
    ...(body['subject'] === undefined ? {} : { subject: descriptor(body['subject'], 'subject') }),
    ...(typeof artifactType === 'string' ? { artifactType } : {}),
    ...(isTextRecord(annotations) ? { annotations } : {}),
  };
}

function isTextRecord(value: unknown): value is Readonly<Record<string, string>> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((each) => typeof each === 'string')
  );
}

/** What a manifest needs to be complete: the digests it refers to, and whether each is a manifest or a blob. */
export function manifestReferences(
  manifest: Manifest,
): readonly { readonly kind: 'manifest' | 'blob'; readonly descriptor: Descriptor }[] {
  if (manifest.kind === 'index') return manifest.manifests.map((each) => ({ kind: 'manifest', descriptor: each }));
  return [manifest.config, ...manifest.layers].map((each) => ({ kind: 'blob', descriptor: each }));
}

function manifestMediaType(claimed: string, body: Record<string, unknown>): ManifestMediaType {
  const inBody = body['mediaType'] === undefined ? '' : body['mediaType'];
  if (typeof inBody !== 'string') throw invalid('"mediaType" is not a string');
  if (isSchema1MediaType(claimed) || isSchema1MediaType(inBody) || body['schemaVersion'] === 1) {
    throw invalid('the manifest is of the unsupported schema 1', { schema_version: 1 });
  }
  if (!isGenericMediaType(claimed) && !isManifestMediaType(claimed)) {
    throw invalid(`${JSON.stringify(claimed.slice(0, 128))} is not the media type of a manifest`);
  }
  if (inBody !== '' && !isManifestMediaType(inBody)) {
    throw invalid(`${JSON.stringify(inBody.slice(0, 128))} is not the media type of a manifest`);
  }
  if (isManifestMediaType(claimed)) {
    if (inBody !== '' && inBody !== claimed) throw invalid(`sent as ${claimed}, but says of itself ${inBody}`);
    return claimed;
  }
  return inBody === '' ? guessMediaType(body) : (inBody as ManifestMediaType);
}

/** OCI lets `mediaType` be absent; the members then tell an image from an index, and both at once is refused below. */
function guessMediaType(body: Record<string, unknown>): ManifestMediaType {
  if (body['manifests'] !== undefined) return OCI_INDEX;
  if (body['config'] !== undefined) return OCI_MANIFEST;
  throw invalid('the manifest says nowhere of which media type it is');
}

function readIndex(body: Record<string, unknown>, mediaType: ManifestMediaType, facts: ManifestFacts): IndexManifest {
  if (body['config'] !== undefined || body['layers'] !== undefined) {
    throw invalid('the manifest has both "manifests" and "config" or "layers"');
  }
  return {
    kind: 'index',
    mediaType,
    manifests: descriptors(body['manifests'], 'manifests', MAX_INDEX_ENTRIES),
    ...facts,
  };
}

function readImage(body: Record<string, unknown>, mediaType: ManifestMediaType, facts: ManifestFacts): ImageManifest {
  if (body['manifests'] !== undefined) throw invalid('the manifest has both "manifests" and "config" or "layers"');
  return {
    kind: 'image',
    mediaType,
    config: descriptor(body['config'], 'config'),
    layers: descriptors(body['layers'], 'layers', MAX_LAYERS),
    ...facts,
  };
}

function descriptors(value: unknown, name: string, most: number): Descriptor[] {
  if (!Array.isArray(value)) throw invalid(`"${name}" is not a list`);
  if (value.length > most) throw invalid(`"${name}" has more than ${most} entries`);
  return value.map((each, index) => descriptor(each, `${name}[${index}]`));
}

function descriptor(value: unknown, name: string): Descriptor {
  const fields = asObject(value, `"${name}"`);
  const digest = typeof fields['digest'] === 'string' ? parseDigest(fields['digest']) : undefined;
  if (digest === undefined) throw invalid(`"${name}.digest" is not a sha256 or sha512 digest`);
  const size = fields['size'];
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(`"${name}.size" is not a number of bytes`);
  }
  if (typeof fields['mediaType'] !== 'string') throw invalid(`"${name}.mediaType" is not a string`);
  return { mediaType: fields['mediaType'], digest, size };
}

function asObject(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(`${name} is not an object`);
  return value as Record<string, unknown>;
}

function invalid(message: string, detail?: Readonly<Record<string, unknown>>): RegistryError {
  return new RegistryError('MANIFEST_INVALID', message, detail === undefined ? {} : { detail });
}
