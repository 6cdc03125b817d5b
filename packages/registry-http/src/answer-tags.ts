import type { IncomingMessage, ServerResponse } from 'node:http';
import { RegistryError, type Repository } from '@breakwater/registry-core';
import type { ExtraHeaders } from './answer-manifest.js';

/** Most tags of one page. */
const MAX_PAGE = 1_000;

/** Which page of tags is asked for. */
export interface TagPageRequest {
  /** How many tags at most; `undefined` when the client leaves it to us. */
  readonly limit: number | undefined;
  /** The tag after which the page begins. */
  readonly last: string | undefined;
}

/** A page of tags that is to be sent. `next` is the `last` of the page after it. */
export interface AnsweredTagPage {
  readonly tags: readonly string[];
  readonly limit: number | undefined;
  readonly next: string | undefined;
}

/**
 * Reads `n` and `last` (distribution-spec, "Listing tags"). An `n` above 1,000 counts as 1,000.
 * @throws RegistryError UNSUPPORTED with status 400 for an `n` that is not a number
 */
export function parseTagPage(query: string): TagPageRequest {
  const parameters = new URLSearchParams(query);
  const n = parameters.get('n') ?? '';
  if (n !== '' && !/^[0-9]{1,9}$/.test(n)) {
    throw new RegistryError('UNSUPPORTED', `n must be a whole number of tags, not ${JSON.stringify(n.slice(0, 32))}`, {
      status: 400,
    });
  }
  return { limit: n === '' ? undefined : Math.min(Number(n), MAX_PAGE), last: parameters.get('last') ?? undefined };
}

/** Answers with a page of tags under our own name, and with a link to our own next page. */
export function answerTags(
  request: IncomingMessage,
  response: ServerResponse,
  repository: Repository,
  page: AnsweredTagPage,
  extra: ExtraHeaders,
): void {
  const name = `${repository.organization}/${repository.name}`;
  const body = Buffer.from(JSON.stringify({ name, tags: page.tags }));
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': body.byteLength,
    'x-content-type-options': 'nosniff',
    'docker-distribution-api-version': 'registry/2.0',
    ...(page.next === undefined ? {} : { link: nextLink(name, page.limit, page.next) }),
    ...extra,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function nextLink(name: string, limit: number | undefined, last: string): string {
  const query = new URLSearchParams({ ...(limit === undefined ? {} : { n: String(limit) }), last });
  return `</v2/${name}/tags/list?${query}>; rel="next"`;
}
