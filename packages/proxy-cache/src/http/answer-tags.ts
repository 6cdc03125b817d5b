import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ProxiedRepository } from '../ports.js';
import type { ListedTags } from '../tags/upstream-tags.js';

/** Answers with a page of tags, under our own name and with a link to our own next page (distribution-spec, "Listing tags"). */
export function answerTags(
  request: IncomingMessage,
  response: ServerResponse,
  repository: ProxiedRepository,
  page: ListedTags,
): void {
  const name = `${repository.organization}/${repository.name}`;
  const body = Buffer.from(JSON.stringify({ name, tags: page.tags }));
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': body.byteLength,
    'x-content-type-options': 'nosniff',
    'docker-distribution-api-version': 'registry/2.0',
    'cache-status': 'Breakwater; fwd=request',
    ...(page.next === undefined ? {} : { link: nextLink(name, page.limit, page.next) }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function nextLink(name: string, limit: number | undefined, last: string): string {
  const query = new URLSearchParams({ ...(limit === undefined ? {} : { n: String(limit) }), last });
  return `</v2/${name}/tags/list?${query}>; rel="next"`;
}
