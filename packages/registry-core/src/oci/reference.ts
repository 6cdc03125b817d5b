import { type Digest, parseDigest } from './digest.js';

declare const organizationBrand: unique symbol;
declare const repositoryBrand: unique symbol;
declare const tagBrand: unique symbol;

/** The name of an organization: one path component of the distribution-spec's grammar. */
export type OrganizationName = string & { readonly [organizationBrand]: true };
/** The name of a repository inside its organization, `library/nginx` say. */
export type RepositoryName = string & { readonly [repositoryBrand]: true };
/** A tag. */
export type Tag = string & { readonly [tagBrand]: true };

/** What a manifest is asked for by (distribution-spec, "Pulling manifests"). */
export type Reference =
  | { readonly kind: 'tag'; readonly tag: Tag }
  | { readonly kind: 'digest'; readonly digest: Digest };

/**
 * A repository of one organization. `upstream` tells the content of proxied repositories apart by where it came from:
 * another upstream is another repository, though it has the same name. It is absent in hosted organizations.
 */
export interface Repository {
  readonly organization: OrganizationName;
  readonly name: RepositoryName;
  readonly upstream?: string;
}

/** The longest `<organization>/<repository>` that clients accept (distribution-spec, "Pulling manifests"). */
export const MAX_NAME_LENGTH = 255;

const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const ORGANIZATION_GRAMMAR = new RegExp(`^${COMPONENT}$`);
const REPOSITORY_GRAMMAR = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG_GRAMMAR = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** Reads an organization name; `undefined` when it breaks the grammar. */
export function parseOrganizationName(text: string): OrganizationName | undefined {
  return text.length <= MAX_NAME_LENGTH && ORGANIZATION_GRAMMAR.test(text) ? (text as OrganizationName) : undefined;
}

/** Reads a repository name; `undefined` when it breaks the grammar or is longer than 255 characters. */
export function parseRepositoryName(text: string): RepositoryName | undefined {
  return text.length <= MAX_NAME_LENGTH && REPOSITORY_GRAMMAR.test(text) ? (text as RepositoryName) : undefined;
}

/** Reads a tag; `undefined` when it breaks the grammar. */
export function parseTag(text: string): Tag | undefined {
  return TAG_GRAMMAR.test(text) ? (text as Tag) : undefined;
}

/** Reads a tag or a digest; `undefined` when the text is neither. A tag cannot hold a colon, so there is no doubt. */
export function parseReference(text: string): Reference | undefined {
  const tag = parseTag(text);
  if (tag !== undefined) return { kind: 'tag', tag };
  const digest = parseDigest(text);
  return digest === undefined ? undefined : { kind: 'digest', digest };
}

/** The text of a reference as it stands in a URL path. */
export function formatReference(reference: Reference): string {
  return reference.kind === 'tag' ? reference.tag : reference.digest;
}

/** A key for maps, one to one with the repository: no part can hold a line feed. */
export function repositoryKey(repository: Repository): string {
  return `${repository.organization}\n${repository.upstream ?? ''}\n${repository.name}`;
}
