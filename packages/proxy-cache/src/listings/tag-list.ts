import type { AnsweredTagPage, TagPageRequest } from '@breakwater/registry-http';
import type { ProxiedRepository } from '../ports.js';
import type { Listing } from './listing.js';
import type { ListingRequest } from './listing-checks.js';

/** How an upstream is asked for a page of tags. */
export function tagListRequest(repository: ProxiedRepository, page: TagPageRequest): ListingRequest {
  const { limit, last } = page;
  const query = new URLSearchParams({
    ...(limit === undefined ? {} : { n: String(limit) }),
    ...(last === undefined ? {} : { last }),
  });
  return {
    key: { repository, kind: 'tags', subject: '', page: query.toString() },
    async ask(upstream, tell, signal) {
      tell('tags');
      const { tags, next } = await upstream.listTags(repository.name, page, signal);
      const after = next === undefined ? {} : { next: new URLSearchParams({ last: next }).toString() };
      return { body: JSON.stringify(tags), ...after, filtered: false };
    },
  };
}

/** A listing of tags as the page that a client asked for. */
export function toTagPage({ body, next }: Listing, { limit }: TagPageRequest): AnsweredTagPage {
  const after = next === undefined ? undefined : (new URLSearchParams(next).get('last') ?? undefined);
  return { tags: JSON.parse(body) as readonly string[], limit, next: after };
}
