import {
  type Digest,
  type OrganizationName,
  parseDigest,
  parseOrganizationName,
  parseReference,
  parseRepositoryName,
  type Reference,
  type RepositoryName,
} from '@breakwater/registry-core';

/** What somebody wants to have explained. */
export type Subject =
  | { readonly kind: 'digest'; readonly digest: Digest }
  | {
      readonly kind: 'named';
      readonly organization: OrganizationName;
      readonly repository: RepositoryName;
      readonly reference: Reference;
    };

/** Reads `<digest>`, `<organization>/<repository>:<tag>` or `<organization>/<repository>@<digest>`; `undefined` for what is neither. */
export function parseSubject(text: string): Subject | undefined {
  const digest = parseDigest(text);
  if (digest !== undefined) return { kind: 'digest', digest };
  const [, first = '', rest = '', mark, last = ''] = /^([^/]+)\/([^@:]+)([@:])(.+)$/.exec(text) ?? [];
  const organization = parseOrganizationName(first);
  const repository = parseRepositoryName(rest);
  const reference = parseReference(last);
  if (organization === undefined || repository === undefined) return undefined;
  if (reference === undefined || (mark === '@') !== (reference.kind === 'digest')) return undefined;
  return { kind: 'named', organization, repository, reference };
}
