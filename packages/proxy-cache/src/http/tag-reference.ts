import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from '@breakwater/registry-core';
import { z } from 'zod';

const RIGHT = 'must be repository:tag, for example library/nginx:1.27';

/** `repository:tag` in a body, without the organization. */
export const tagReference = z
  .string()
  .max(512)
  .transform((text, context): { readonly repository: RepositoryName; readonly tag: Tag } => {
    const colon = text.lastIndexOf(':');
    const repository = parseRepositoryName(text.slice(0, Math.max(0, colon)));
    const tag = parseTag(text.slice(colon + 1));
    if (repository !== undefined && tag !== undefined) return { repository, tag };
    context.addIssue({ code: 'custom', message: `${RIGHT}, not ${JSON.stringify(text.slice(0, 80))}` });
    return z.NEVER;
  })
  .meta({ description: 'repository:tag, without the organization' });

/** The name of a repository in a body, without the organization. */
export const repositoryName = z
  .string()
  .max(512)
  .transform((text, context): RepositoryName => {
    const name = parseRepositoryName(text);
    if (name !== undefined) return name;
    context.addIssue({ code: 'custom', message: 'must be the name of a repository, for example library/nginx' });
    return z.NEVER;
  });

/** A tag as the API writes it. */
export function referenceText({ repository, tag }: { readonly repository: string; readonly tag: string }): string {
  return `${repository}:${tag}`;
}
