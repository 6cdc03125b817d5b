import { type Fault, type FaultUpstream, startFaultUpstream, type UpstreamAuth } from '@breakwater/test-kit';
import type { FaultRow, FaultStage } from '../fault-row.js';
import { CANARY_ADDRESS } from '../names.js';

const BLOBS_ONLY = { A: '=', B: '=', D: '=', digest: '=' } as const;
const AUTH_OUTAGE = { A: '200s', B: '503', D: '503', blob: '503', reason: 'auth' } as const;
const DENIED = { A: '200s', B: '403', D: '403', blob: '403', reason: 'denied' } as const;
const BLOBS = { match: { kind: 'blob' } } as const;
const CDN_BLOBS = { match: { kind: 'blob', server: 'cdn' } } as const;
const TOKENS = { match: { kind: 'token' } } as const;
const BEARER: UpstreamAuth = { kind: 'bearer' };
const CREDENTIALS = { username: 'puller', password: 'the password of the puller' };
const PRIVATE_BEARER: UpstreamAuth = { kind: 'bearer', ...CREDENTIALS };
const WITH_CREDENTIALS = {
  upstream_registry_username: CREDENTIALS.username,
  upstream_registry_password: CREDENTIALS.password,
};

/** Faults of content servers and token servers: F69 to F87. */
export const originRows: readonly FaultRow[] = [
  redirect('F69', 'a redirect in a circle', 'protocol', { kind: 'redirect-hops', hops: Number.POSITIVE_INFINITY }),
  redirect('F69', 'six redirects', 'protocol', { kind: 'redirect-hops', hops: 6 }),
  {
    id: 'F69',
    title: 'five redirects',
    ...BLOBS_ONLY,
    blob: '=',
    begin: fault(({ upstream }) => upstream.fault({ kind: 'redirect-hops', hops: 5 }, BLOBS)),
  },
  {
    id: 'F70',
    title: 'a redirect to an address inside',
    ...BLOBS_ONLY,
    reason: 'blocked',
    blob: '503',
    begin: async (stage) => {
      const { upstream } = stage;
      const canary = await startFaultUpstream({ address: CANARY_ADDRESS });
      canaries.set(upstream, canary);
      upstream.redirectBlobsTo(canary.origins.registry);
      return () => canary.close();
    },
    alsoHolds: quietCanary,
  },
  redirect('F70', 'a redirect to the metadata of a cloud', 'blocked', {
    kind: 'redirect',
    location: 'http://169.254.169.254/latest/meta-data/',
  }),
  {
    ...redirect('F71', 'a redirect from https to http', 'blocked', {
      kind: 'redirect',
      location: 'http://content.example.test/layer',
    }),
    tls: true,
  },
  ...['data:text/plain,x', 'file:///etc/passwd', 'ftp://files.example.test/x'].map((location) =>
    redirect('F72', `a redirect to ${location.split(':')[0]}:`, 'blocked', { kind: 'redirect', location }),
  ),
  redirect('F72', 'a redirect to what is no address', 'protocol', { kind: 'redirect', location: 'http://[' }),
  {
    id: 'F73',
    title: 'the content server refuses connections',
    ...BLOBS_ONLY,
    reason: 'connect',
    blob: '503',
    cdn: true,
    begin: async ({ upstream }) => {
      await upstream.kill('cdn');
      return () => upstream.revive('cdn');
    },
  },
  {
    id: 'F73',
    title: 'the content server hangs',
    ...BLOBS_ONLY,
    reason: 'timeout',
    blob: '504',
    cdn: true,
    begin: fault(({ upstream }) => upstream.fault({ kind: 'no-answer', by: 'stall' }, CDN_BLOBS)),
  },
  {
    id: 'F74',
    title: 'the content server says that a signature has expired',
    ...BLOBS_ONLY,
    blob: '=',
    cdn: true,
    begin: fault(({ upstream }) => upstream.fault({ kind: 'status', status: 403 }, { ...CDN_BLOBS, times: 1 })),
  },
  {
    id: 'F74',
    title: 'the content server denies every signature',
    ...BLOBS_ONLY,
    reason: 'server_error',
    blob: '503',
    cdn: true,
    begin: fault(({ upstream }) => upstream.fault({ kind: 'status', status: 403 }, CDN_BLOBS)),
  },
  {
    id: 'F75',
    title: 'the content server answers 503',
    ...BLOBS_ONLY,
    reason: 'server_error',
    blob: '503',
    cdn: true,
    begin: fault(({ upstream }) => upstream.fault({ kind: 'status', status: 503 }, CDN_BLOBS)),
  },
  {
    id: 'F76',
    title: 'the content server sends wrong bytes',
    ...BLOBS_ONLY,
    reason: 'integrity',
    blob: ['cut', '503'],
    cdn: true,
    begin: fault(({ upstream }) => upstream.fault({ kind: 'bit-flip' }, CDN_BLOBS)),
  },
  {
    id: 'F76',
    title: 'the content server stops half way, again and again',
    ...BLOBS_ONLY,
    reason: 'connect',
    blob: ['cut', '503'],
    cdn: true,
    begin: fault(({ upstream }) => upstream.fault({ kind: 'cut-body', afterBytes: 2_000, by: 'fin' }, CDN_BLOBS)),
  },
  {
    id: 'F76',
    title: 'the content server stops half way, once',
    ...BLOBS_ONLY,
    blob: '=',
    cdn: true,
    begin: fault(({ upstream }) => {
      const once = { match: { ...CDN_BLOBS.match, method: 'GET' }, times: 1 } as const;
      upstream.fault({ kind: 'cut-body', afterBytes: 2_000, by: 'fin' }, once);
    }),
  },
  {
    id: 'F78',
    title: 'a redirect to another host, with credentials in use',
    ...BLOBS_ONLY,
    blob: '=',
    auth: PRIVATE_BEARER,
    settings: WITH_CREDENTIALS,
    cdn: true,
    alsoHolds: ({ upstream }) => {
      const leaks = upstream.requests.filter(({ server, headers }) => server === 'cdn' && headers.authorization);
      if (leaks.length > 0) throw new Error(`${leaks.length} requests to the content server carried a token`);
    },
  },

  {
    id: 'F79',
    title: 'the token server refuses connections',
    ...AUTH_OUTAGE,
    auth: BEARER,
    begin: async ({ upstream }) => {
      await upstream.kill('token');
      return () => upstream.revive('token');
    },
  },
  token('F79', 'the token server hangs', { kind: 'no-answer', by: 'stall' }),
  token('F79', 'the token server answers 500', { kind: 'status', status: 500 }),
  token('F80', 'the token server takes longer than anybody waits', { kind: 'delay', ms: 6_000 }),
  token('F81', 'the token server sends HTML', { kind: 'captive-portal' }),
  token('F81', 'the token server sends half a JSON', { kind: 'body', body: '{"token":"' }),
  token('F81', 'the token server sends no token', { kind: 'body', body: '{"expires_in":300}' }),
  token('F81', 'the token server sends 10 MiB', { kind: 'oversized', bytes: 10 * 1024 * 1024 }),
  ...[401, 403].map(
    (status): FaultRow => ({
      id: 'F83',
      title: `the token server answers ${status} to our credentials`,
      ...DENIED,
      auth: PRIVATE_BEARER,
      settings: WITH_CREDENTIALS,
      begin: revoking(({ upstream }) => upstream.fault({ kind: 'status', status }, TOKENS)),
    }),
  ),
  {
    id: 'F84',
    title: 'the token server answers 429',
    A: '200s',
    B: '429',
    D: '429',
    blob: '429',
    reason: 'rate_limited',
    auth: BEARER,
    begin: revoking(({ upstream }) => upstream.fault({ kind: 'status', status: 429 }, TOKENS)),
  },
  ...['http://10.0.0.1/token', 'http://tokens.example.com/token'].map((realm) => namedRealm(realm, 'blocked')),
  namedRealm('javascript:alert(1)', 'blocked'),
  {
    id: 'F86',
    title: 'tokens that never have the scope',
    ...DENIED,
    auth: PRIVATE_BEARER,
    settings: WITH_CREDENTIALS,
    begin: fault(({ upstream }) => {
      const challenge = `Bearer realm="${upstream.origins.token}/token",service="x",error="insufficient_scope"`;
      upstream.fault({ kind: 'status', status: 401, headers: { 'WWW-Authenticate': challenge } });
    }),
  },
  token('F87', 'a token with a line break', { kind: 'body', body: '{"token":"a\\r\\nX-Injected: 1"}' }),
  token('F87', 'a token of 1 MiB', { kind: 'body', body: JSON.stringify({ token: 'a'.repeat(1024 * 1024) }) }),
];

const canaries = new WeakMap<FaultUpstream, FaultUpstream>();

function quietCanary({ upstream }: FaultStage): void {
  const connections = canaries.get(upstream)?.acceptedConnections ?? 0;
  if (connections !== 0) throw new Error(`${connections} connections at the canary`);
}

function fault(set: (stage: FaultStage) => unknown) {
  return (stage: FaultStage) => {
    set(stage);
    return undefined;
  };
}

/** Tokens that were given out are good until they expire: a fault of the token server shows when none is left. */
function revoking(set: (stage: FaultStage) => unknown) {
  return (stage: FaultStage) => {
    stage.upstream.revokeTokens();
    return fault(set)(stage);
  };
}

function redirect(id: string, title: string, reason: string, kind: Fault): FaultRow {
  return {
    id,
    title,
    ...BLOBS_ONLY,
    reason,
    blob: '503',
    begin: fault(({ upstream }) => upstream.fault(kind, BLOBS)),
  };
}

function token(id: string, title: string, kind: Fault): FaultRow {
  return {
    id,
    title,
    ...AUTH_OUTAGE,
    auth: BEARER,
    begin: revoking(({ upstream }) => upstream.fault(kind, TOKENS)),
  };
}

function namedRealm(realm: string, reason: string): FaultRow {
  return {
    id: 'F85',
    title: `the token server is said to be ${realm}`,
    A: '200s',
    B: '503',
    D: '503',
    blob: '503',
    reason,
    auth: PRIVATE_BEARER,
    settings: WITH_CREDENTIALS,
    begin: fault(({ upstream }) => {
      upstream.fault({ kind: 'status', status: 401, headers: { 'WWW-Authenticate': `Bearer realm="${realm}"` } });
    }),
  };
}
