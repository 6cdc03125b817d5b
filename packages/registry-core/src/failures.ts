/**
 * The one list of what can go wrong behind a pull.
 *
 * - `shields: 'always'`: an outage of the upstream. A cached image within its staleness period is served all the same.
 * - `shields: 'by-setting'`: the upstream answered, and said no. `serve_when_removed` and `serve_when_denied` decide.
 * - `shields: 'never'`: a failure of our own, which says nothing about the upstream.
 *
 * `status` is what a client gets when nothing may be served; `phrase` is the reason phrase of that answer. 502 is not
 * among them because containerd does not retry it.
 */
export const FAILURE_CLASSES = {
  connect: { shields: 'always', status: 503, phrase: 'Upstream Unreachable' },
  dns: { shields: 'always', status: 503, phrase: 'Upstream Name Not Resolved' },
  tls: { shields: 'always', status: 503, phrase: 'Upstream TLS Failed' },
  timeout: { shields: 'always', status: 504, phrase: 'Upstream Timed Out' },
  server_error: { shields: 'always', status: 503, phrase: 'Upstream Server Error' },
  protocol: { shields: 'always', status: 503, phrase: 'Upstream Protocol Error' },
  integrity: { shields: 'always', status: 503, phrase: 'Upstream Content Corrupt' },
  rate_limited: { shields: 'always', status: 429, phrase: 'Upstream Rate Limit Reached' },
  blocked: { shields: 'always', status: 503, phrase: 'Upstream Address Not Allowed' },
  auth: { shields: 'always', status: 503, phrase: 'Upstream Token Server Failed' },
  removed: { shields: 'by-setting', status: 404, phrase: 'Not Found' },
  denied: { shields: 'by-setting', status: 403, phrase: 'Upstream Denied Access' },
  storage: { shields: 'never', status: 503, phrase: 'Registry Storage Failed' },
  database: { shields: 'never', status: 503, phrase: 'Registry Database Unavailable' },
  overload: { shields: 'never', status: 503, phrase: 'Registry Overloaded' },
} as const satisfies Record<
  string,
  { readonly shields: 'always' | 'by-setting' | 'never'; readonly status: number; readonly phrase: string }
>;

export type FailureClass = keyof typeof FAILURE_CLASSES;

/** The failure classes of an upstream: outages and refusals. */
export type UpstreamFailureClass = Exclude<FailureClass, 'storage' | 'database' | 'overload'>;

/** The failure classes that are outages. */
export type OutageClass = Exclude<UpstreamFailureClass, 'removed' | 'denied'>;
