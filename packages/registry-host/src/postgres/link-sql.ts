import type { ContentLink } from '@breakwater/registry-core';
import { repositoryColumns } from './sql.js';

/** Links as one array per column, for `unnest`: a statement takes any number of them. */
export function linkColumns(links: readonly Pick<ContentLink, 'repository' | 'digest'>[]) {
  const columns = links.map(({ repository }) => repositoryColumns(repository));
  return {
    organizations: columns.map((each) => each.organization),
    upstreams: columns.map((each) => each.upstream),
    repositories: columns.map((each) => each.repository),
    digests: links.map(({ digest }) => digest),
  };
}

/** A query for links to a content row that are not among `linkColumns`. */
export function linkBeside(kind: 'manifest' | 'blob', row: string): string {
  return `SELECT FROM content_link l
           WHERE l.kind = '${kind}' AND l.digest = ${row}.digest
             AND (l.organization, l.upstream, l.repository, l.digest) NOT IN (
               SELECT * FROM unnest(CAST(:organizations AS text[]), CAST(:upstreams AS text[]),
                                    CAST(:repositories AS text[]), CAST(:digests AS text[])))`;
}
