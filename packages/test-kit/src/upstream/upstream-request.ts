import type { IncomingHttpHeaders } from 'node:http';

/** Which of the upstream's three servers a request came to: each is an origin of its own. */
export type UpstreamServer = 'registry' | 'token' | 'cdn';

/** What a request asks for. */
export type UpstreamRequestKind = 'ping' | 'manifest' | 'blob' | 'tags' | 'referrers' | 'token' | 'other';

/** What is known of a request from its first line. */
export interface UpstreamTarget {
  readonly kind: UpstreamRequestKind;
  readonly repository?: string;
  /** The tag or digest that was asked for. */
  readonly reference?: string;
}

/** One request that the upstream got, kept for assertions. */
export interface UpstreamRequest extends UpstreamTarget {
  readonly server: UpstreamServer;
  /** The origin of that server, `http://127.0.0.1:1234` say. */
  readonly origin: string;
  readonly method: string;
  /** Path and query, as they came. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** When it came, milliseconds since the epoch by the clock of the machine. */
  readonly at: number;
}

/** Chooses requests. Every part that is there has to fit. */
export interface RequestMatcher {
  readonly server?: UpstreamServer;
  readonly method?: string;
  readonly kind?: UpstreamRequestKind;
  readonly repository?: string;
  readonly reference?: string;
  /** The whole path with its query, or a pattern for it. */
  readonly path?: string | RegExp;
}

/** True when every part of the matcher fits the request. */
export function matchesRequest(matcher: RequestMatcher, request: UpstreamRequest): boolean {
  const { server, method, kind, repository, reference, path } = matcher;
  return (
    (server === undefined || server === request.server) &&
    (method === undefined || method === request.method) &&
    (kind === undefined || kind === request.kind) &&
    (repository === undefined || repository === request.repository) &&
    (reference === undefined || reference === request.reference) &&
    (path === undefined || (typeof path === 'string' ? path === request.path : path.test(request.path)))
  );
}

const TARGET = /^\/(?:v2|cdn)\/(.+)\/(manifests|blobs|tags|referrers)\/([^/]+)$/;
const KINDS = { manifests: 'manifest', blobs: 'blob', tags: 'tags', referrers: 'referrers' } as const;

/** Reads what a path, with or without a query, asks for. */
export function parseTarget(path: string): UpstreamTarget {
  const bare = path.split('?')[0] ?? '';
  if (bare === '/v2/' || bare === '/v2') return { kind: 'ping' };
  if (bare === '/token') return { kind: 'token' };
  const [, repository, word, reference] = TARGET.exec(bare) ?? [];
  if (repository === undefined || word === undefined || reference === undefined) return { kind: 'other' };
  return { kind: KINDS[word as keyof typeof KINDS], repository, reference: decodeURIComponent(reference) };
}
