import { discard } from './read-body.js';
import type { Transport, UpstreamRequest, UpstreamResponse } from './transport.js';
import { UpstreamError } from './upstream-error.js';

/** Hops that are followed at most (P14). */
const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Sent to another origin as well; credentials are not among them (S8, S9). */
const ALLOWED_OFF_ORIGIN: ReadonlySet<string> = new Set(['accept', 'range']);

/** An answer, and where it came from in the end. */
export interface FollowedResponse {
  readonly response: UpstreamResponse;
  readonly origin: string;
}

/**
 * Sends a request and follows redirects by hand: at most five, http and https only, never from https down to http, and
 * with nothing but `Accept` and `Range` once the origin has changed. Each hop is dialled like any other request, so
 * its address is judged too (S4).
 *
 * @throws UpstreamError
 */
export async function sendFollowing(transport: Transport, request: UpstreamRequest): Promise<FollowedResponse> {
  let current = request;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    const response = await transport.send(current);
    if (!REDIRECTS.has(response.status)) return { response, origin: current.url.origin };
    discard(response.body);
    current = { ...current, ...nextHop(current, response.header('location')) };
  }
  throw new UpstreamError('protocol', `the upstream redirects more than ${MAX_REDIRECTS} times`);
}

function nextHop(
  request: UpstreamRequest,
  location: string | undefined,
): { readonly url: URL; readonly headers: Readonly<Record<string, string>> } {
  if (location === undefined) throw new UpstreamError('protocol', 'the upstream redirects without saying where to');
  if (!URL.canParse(location, request.url.href)) throw new UpstreamError('protocol', 'the upstream redirects nowhere');
  const url = new URL(location, request.url.href);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new UpstreamError('blocked', 'the upstream redirects to something that is not http');
  }
  if (url.username !== '' || url.password !== '') {
    throw new UpstreamError('blocked', 'the upstream redirects to an address that carries credentials');
  }
  if (request.url.protocol === 'https:' && url.protocol === 'http:') {
    throw new UpstreamError('blocked', 'the upstream redirects from https to http');
  }
  url.hash = '';
  const sameOrigin = url.origin === request.url.origin;
  const headers = sameOrigin
    ? request.headers
    : Object.fromEntries(
        Object.entries(request.headers).filter(([name]) => ALLOWED_OFF_ORIGIN.has(name.toLowerCase())),
      );
  return { url, headers };
}
