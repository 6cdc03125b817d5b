import {
  type Digest,
  MAX_NAME_LENGTH,
  type OrganizationName,
  parseDigest,
  parseOrganizationName,
  parseReference,
  parseRepositoryName,
  type Reference,
  RegistryError,
  type RepositoryName,
} from '@breakwater/registry-core';

/** What a request below `/v2/` is about. `query` is the raw query string without its question mark. */
export type RegistryRoute =
  | { readonly kind: 'base' }
  | (RepositoryRoute & { readonly kind: 'manifest'; readonly reference: Reference })
  | (RepositoryRoute & { readonly kind: 'blob'; readonly digest: Digest })
  | (RepositoryRoute & { readonly kind: 'tags'; readonly query: string })
  | (RepositoryRoute & { readonly kind: 'referrers'; readonly digest: Digest; readonly query: string })
  | (RepositoryRoute & { readonly kind: 'upload'; readonly session: string; readonly query: string })
  | { readonly kind: 'invalid'; readonly error: RegistryError };

export interface RepositoryRoute {
  readonly organization: OrganizationName;
  readonly repository: RepositoryName;
}

const CONTENT = /^\/v2\/(.+)\/(manifests|blobs|referrers)\/([^/]*)$/;
const UPLOAD = /^\/v2\/(.+)\/blobs\/uploads(?:\/([^/]*))?$/;
const TAGS = /^\/v2\/(.+)\/tags\/list$/;
const ENCODED_COLON = /%3a/i;
/**
 * What no path of a registry holds, and what somebody on the way may read as another path (S20): other encodings,
 * backslashes, parameters, what is not printable ASCII, empty and dotted segments.
 */
const NEVER = /[^!-~]|[%\\;]|\/\/|\/\.\.?(?:\/|$)/;

/**
 * Reads a request target exactly as it came, before anything decoded it. Only the colon of a digest may be
 * percent-encoded, since some clients do that; whatever else the grammar of names and references does not allow is
 * `invalid`. `undefined` when the target is not below `/v2`.
 */
export function parseRegistryRoute(target: string): RegistryRoute | undefined {
  if (!target.startsWith('/v2')) return undefined;
  const mark = target.indexOf('?');
  const path = mark === -1 ? target : target.slice(0, mark);
  const query = mark === -1 ? '' : target.slice(mark + 1);
  if (path === '/v2/' || path === '/v2') return { kind: 'base' };
  if (!path.startsWith('/v2/')) return undefined;
  if (NEVER.test(decodedColon(path))) return invalidName();

  const upload = UPLOAD.exec(path);
  if (upload !== null) {
    return withName(upload[1] ?? '', (name) => ({ kind: 'upload', ...name, session: upload[2] ?? '', query }));
  }
  const content = CONTENT.exec(path);
  if (content !== null) return contentRoute(content[1] ?? '', content[2] ?? '', content[3] ?? '', query);
  const tags = TAGS.exec(path);
  if (tags !== null) return withName(tags[1] ?? '', (name) => ({ kind: 'tags', ...name, query }));
  return invalid('NAME_UNKNOWN', 'there is nothing at this path; names are <organization>/<repository>', 404);
}

function contentRoute(name: string, collection: string, rawReference: string, query: string): RegistryRoute {
  const text = decodedColon(rawReference);
  return withName(name, (repository) => {
    if (collection === 'manifests') {
      const reference = parseReference(text);
      if (reference !== undefined) return { kind: 'manifest', ...repository, reference };
      if (text.includes(':')) return invalidDigest();
      return invalid('MANIFEST_UNKNOWN', 'there is no such tag: it is not one by the grammar of tags');
    }
    const digest = parseDigest(text);
    if (digest === undefined) return invalidDigest();
    return collection === 'blobs'
      ? { kind: 'blob', ...repository, digest }
      : { kind: 'referrers', ...repository, digest, query };
  });
}

/** The colon of a digest, which is in the last segment, may be encoded. */
function decodedColon(path: string): string {
  if (!path.includes('%')) return path;
  const last = path.lastIndexOf('/') + 1;
  return path.slice(0, last) + path.slice(last).replace(ENCODED_COLON, ':');
}

function withName(name: string, make: (name: RepositoryRoute) => RegistryRoute): RegistryRoute {
  const slash = name.indexOf('/');
  const organization = parseOrganizationName(slash === -1 ? name : name.slice(0, slash));
  if (organization === undefined || name.length > MAX_NAME_LENGTH) return invalidName();
  if (slash === -1) {
    return invalid('NAME_UNKNOWN', `names are <organization>/<repository>; ${JSON.stringify(name)} has one part only`);
  }
  const repository = parseRepositoryName(name.slice(slash + 1));
  return repository === undefined ? invalidName() : make({ organization, repository });
}

function invalidName(): RegistryRoute {
  return invalid('NAME_INVALID', 'names are lower-case path segments of letters and digits, parted by . _ or -');
}

function invalidDigest(): RegistryRoute {
  return invalid('DIGEST_INVALID', 'digests are sha256:<64 hex digits> or sha512:<128 hex digits> in lower case');
}

function invalid(
  code: 'NAME_INVALID' | 'NAME_UNKNOWN' | 'DIGEST_INVALID' | 'MANIFEST_UNKNOWN',
  message: string,
  status?: number,
): RegistryRoute {
  return { kind: 'invalid', error: new RegistryError(code, message, status === undefined ? {} : { status }) };
}
