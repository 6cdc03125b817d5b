import {
  parseOrganizationName,
  parseRepositoryName,
  parseTag,
  type Repository,
  type Tag,
} from '@breakwater/registry-core';

/**
 * A repository by its text, `<organization>/<repository>`; with an upstream, a proxied one.
 *
 * @throws Error when the text breaks the grammar
 */
export function repositoryOf(text: string, upstream?: string): Repository {
  const slash = text.indexOf('/');
  const organization = parseOrganizationName(text.slice(0, slash));
  const name = parseRepositoryName(text.slice(slash + 1));
  if (organization === undefined || name === undefined) throw new Error(`${text} is not organization/repository`);
  return { organization, name, ...(upstream === undefined ? {} : { upstream }) };
}

/**
 * A tag by its text.
 *
 * @throws Error when the text breaks the grammar
 */
export function tagOf(text: string): Tag {
  const tag = parseTag(text);
  if (tag === undefined) throw new Error(`${text} is not a tag`);
  return tag;
}

/** A repository, and all those that one could take for it. */
export const SAMPLE = {
  repository: repositoryOf('library-org/team/app', 'registry.example'),
  others: [
    repositoryOf('library-org/team/app'),
    repositoryOf('library-org/team/app', 'registry.example:443'),
    repositoryOf('library-org/team/app', 'registry.example/team'),
    repositoryOf('library-org/app', 'registry.example/team'),
    repositoryOf('library-org/team/app2', 'registry.example'),
    repositoryOf('library-org/team', 'registry.example'),
    repositoryOf('other-org/team/app', 'registry.example'),
  ],
} as const;
