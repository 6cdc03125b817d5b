/** Media types of manifests that are stored and served (image-spec media-types.md; Docker image manifest v2, schema 2). */
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

/** A manifest's media type decides what its body may hold. */
export type ManifestMediaType = typeof OCI_MANIFEST | typeof OCI_INDEX | typeof DOCKER_MANIFEST | typeof DOCKER_LIST;

/** The `Accept` value that names every manifest type, preferred ones first. */
export const MANIFEST_ACCEPT = [OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST].join(', ');

const MANIFEST_TYPES: ReadonlySet<string> = new Set([OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST]);
const SCHEMA_1_TYPES: ReadonlySet<string> = new Set([
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
]);
const GENERIC_TYPES: ReadonlySet<string> = new Set([
  '',
  'text/plain',
  'application/json',
  'application/octet-stream',
  'binary/octet-stream',
]);

/** True for the types of manifests that are stored and served. */
export function isManifestMediaType(type: string): type is ManifestMediaType {
  return MANIFEST_TYPES.has(type);
}

/** True for Docker's schema 1, which nobody should pull any more and which is not stored. */
export function isSchema1MediaType(type: string): boolean {
  return SCHEMA_1_TYPES.has(type);
}

/** True for a type that says nothing about a manifest; then the `mediaType` in the body counts. */
export function isGenericMediaType(type: string): boolean {
  return GENERIC_TYPES.has(type);
}

/** True for the types whose body lists other manifests. */
export function isIndexMediaType(type: ManifestMediaType): boolean {
  return type === OCI_INDEX || type === DOCKER_LIST;
}

/** A `Content-Type` value without its parameters, in lower case. */
export function bareMediaType(contentType: string | undefined): string {
  const value = contentType ?? '';
  const end = value.indexOf(';');
  return (end === -1 ? value : value.slice(0, end)).trim().toLowerCase();
}
