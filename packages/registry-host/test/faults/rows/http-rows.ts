import { OCI_INDEX, OCI_MANIFEST } from '@breakwater/registry-core';
import type { Breakage, Fault, FaultScope } from '@breakwater/test-kit';
import type { FaultRow, FaultStage } from '../fault-row.js';

const OUTAGE = { A: '200s', B: '503', D: '503', blob: '503' } as const;
const MANIFEST_OUTAGE = { ...OUTAGE, blob: '=' } as const;
const LIMITED = { A: '200s', B: '429', D: '429', blob: '429', reason: 'rate_limited' } as const;
const DENIED = { A: '200s', B: '403', D: '403', blob: '403', reason: 'denied' } as const;
const NOTHING = { A: '=', B: '=', D: '=', blob: '=' } as const;
const MANIFESTS: FaultScope = { match: { kind: 'manifest' } };
const BLOBS: FaultScope = { match: { kind: 'blob' } };
const CREDENTIALS = { username: 'puller', password: 'the password of the puller' };
const WITH_CREDENTIALS = {
  upstream_registry_username: CREDENTIALS.username,
  upstream_registry_password: CREDENTIALS.password,
};
const SCHEMA_1 = 'application/vnd.docker.distribution.manifest.v1+prettyjws';
const MIB = 1024 * 1024;

/** Faults of answers: F32 to F65. */
export const httpRows: readonly FaultRow[] = [
  status('F32', 500),
  status('F33', 502),
  status('F33', 503),
  status('F33', 504),
  status('F34', 503, { 'Retry-After': '999999999' }, 'with Retry-After: 999999999'),
  status('F34', 503, { 'Retry-After': 'Wed, 21 Oct 2099 07:28:00 GMT' }, 'with Retry-After as a date'),
  status('F34', 503, { 'Retry-After': '-1e9, tomorrow' }, 'with Retry-After as garbage'),
  {
    id: 'F35',
    title: '429 with Retry-After',
    ...LIMITED,
    begin: set({ kind: 'status', status: 429, headers: { 'Retry-After': '30' } }),
  },
  { id: 'F36', title: '429 without Retry-After', ...LIMITED, begin: set({ kind: 'status', status: 429 }) },
  {
    id: 'F37',
    title: '401, because the token was revoked',
    ...NOTHING,
    auth: { kind: 'bearer' },
    begin: ({ upstream }) => {
      upstream.revokeTokens();
      upstream.reset();
      return undefined;
    },
    alsoHolds: ({ upstream }) => {
      const renewals = upstream.count({ kind: 'token' });
      if (renewals > 1) throw new Error(`the token was renewed ${renewals} times`);
    },
  },
  {
    id: 'F38',
    title: '401 for ever, because the password was changed',
    ...DENIED,
    auth: { kind: 'basic', ...CREDENTIALS },
    settings: WITH_CREDENTIALS,
    begin: changedPassword,
  },
  {
    id: 'F38',
    title: '401 for ever, with serve_when_denied off',
    ...DENIED,
    A: '403',
    auth: { kind: 'basic', ...CREDENTIALS },
    settings: { ...WITH_CREDENTIALS, serve_when_denied: false },
    begin: changedPassword,
  },
  {
    id: 'F39',
    title: '403',
    ...DENIED,
    auth: { kind: 'basic', ...CREDENTIALS },
    settings: WITH_CREDENTIALS,
    begin: set({ kind: 'status', status: 403 }),
  },
  {
    id: 'F40',
    title: '401 to who has no credentials, for a repository that is gone',
    reason: 'denied',
    A: '200s',
    B: '404n',
    D: '404n',
    blob: '404n',
    auth: { kind: 'bearer', hideMissing: true },
    begin: ({ upstream, asked }) => {
      upstream.remove(asked.repository);
      upstream.revokeTokens();
      return undefined;
    },
  },
  {
    id: 'F41',
    title: 'the tag was deleted',
    reason: 'removed',
    A: '200s',
    B: '404m',
    D: '404m',
    digest: '=',
    blob: '=',
    begin: removedTag,
  },
  {
    id: 'F41',
    title: 'the tag was deleted, with serve_when_removed off',
    reason: 'removed',
    A: '404m',
    B: '404m',
    D: '404m',
    digest: '=',
    blob: '=',
    settings: { serve_when_removed: false },
    begin: removedTag,
  },
  {
    id: 'F42',
    title: 'the repository was deleted',
    reason: 'removed',
    A: '200s',
    B: '404n',
    D: '404n',
    blob: '404b',
    begin: ({ upstream, asked }) => {
      upstream.remove(asked.repository);
      return undefined;
    },
  },
  {
    id: 'F43',
    title: '404 for a blob whose manifest is there',
    ...NOTHING,
    reason: 'removed',
    blob: '404b',
    begin: ({ upstream, asked }) => {
      upstream.remove(asked.repository, asked.blob);
      return undefined;
    },
  },
  {
    id: 'F44',
    title: 'a page to log in, for manifests',
    ...MANIFEST_OUTAGE,
    reason: 'protocol',
    begin: set({ kind: 'captive-portal' }, MANIFESTS),
  },
  {
    id: 'F45',
    title: 'a page to log in, for blobs',
    ...NOTHING,
    reason: ['protocol', 'integrity'],
    blob: ['cut', '503'],
    begin: set({ kind: 'captive-portal' }, BLOBS),
  },
  {
    id: 'F46',
    title: 'a media type that says nothing',
    ...NOTHING,
    begin: set({ kind: 'content-type', value: 'text/plain' }, MANIFESTS),
  },
  {
    id: 'F46',
    title: 'a media type that the manifest contradicts',
    ...MANIFEST_OUTAGE,
    reason: 'protocol',
    A: '=',
    B: '=',
    note: 'HEAD confirms the digest; what is cached keeps the type that it came with',
    begin: ({ upstream, asked }) => {
      const value = asked.content.manifest.mediaType === OCI_INDEX ? OCI_MANIFEST : OCI_INDEX;
      upstream.fault({ kind: 'content-type', value }, MANIFESTS);
      return undefined;
    },
  },
  {
    id: 'F47',
    title: 'no Docker-Content-Digest',
    ...NOTHING,
    begin: set({ kind: 'no-digest' }, MANIFESTS),
  },
  {
    id: 'F49',
    title: 'another manifest than the digest asked for',
    ...NOTHING,
    reason: 'integrity',
    digest: '503',
    begin: ({ upstream, asked }) => {
      const match = { kind: 'manifest', reference: asked.content.manifest.digest } as const;
      upstream.fault({ kind: 'body', body: '{"schemaVersion":2}' }, { match });
      return undefined;
    },
  },
  ...[405, 400, 501].map(
    (code): FaultRow => ({
      id: 'F50',
      title: `HEAD is answered with ${code}`,
      ...NOTHING,
      begin: set({ kind: 'head-refused', status: code }, MANIFESTS),
    }),
  ),
  {
    id: 'F51',
    title: 'Content-Encoding: gzip',
    ...OUTAGE,
    reason: 'protocol',
    begin: set({ kind: 'content-encoding' }),
  },
  {
    id: 'F54',
    title: '204',
    ...OUTAGE,
    reason: 'protocol',
    begin: set({ kind: 'status', status: 204, body: '' }),
  },
  {
    id: 'F54',
    title: 'status 999',
    ...OUTAGE,
    reason: ['protocol', 'server_error'],
    begin: set({ kind: 'raw', bytes: 'HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n' }),
  },
  {
    id: 'F54',
    title: 'a flood of interim answers and then nothing',
    ...OUTAGE,
    reason: ['protocol', 'connect'],
    begin: set({ kind: 'raw', bytes: 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(500) }),
  },
  {
    id: 'F54',
    title: 'a redirect to nowhere',
    ...OUTAGE,
    reason: 'protocol',
    begin: set({ kind: 'redirect', location: undefined }),
  },
  {
    id: 'F55',
    title: 'a manifest of 5 MiB',
    ...MANIFEST_OUTAGE,
    reason: 'protocol',
    moves: true,
    begin: set({ kind: 'oversized', bytes: 5 * MIB }, MANIFESTS),
  },
  {
    id: 'F55',
    title: 'a manifest without end',
    ...MANIFEST_OUTAGE,
    reason: 'protocol',
    moves: true,
    begin: set({ kind: 'endless' }, { match: { kind: 'manifest', method: 'GET' } }),
  },
  broken('F56', '4 MiB of opening brackets', 'open-brackets'),
  broken('F56', 'an index of 5,000 entries', 'too-many-entries'),
  broken('F56', 'a manifest of 200,000 keys', 'too-many-keys'),
  broken('F58', 'a manifest with a key twice', 'duplicate-keys'),
  broken('F58', 'a manifest with a key in another case', 'case-variant-keys'),
  broken('F58', 'a manifest with a byte order mark', 'byte-order-mark'),
  broken('F58', 'a manifest in UTF-16', 'utf-16'),
  {
    id: 'F59',
    title: 'a Docker manifest of schema 1',
    ...MANIFEST_OUTAGE,
    reason: 'protocol',
    D: '404m',
    begin: set(
      {
        kind: 'status',
        status: 200,
        headers: { 'Content-Type': SCHEMA_1 },
        body: JSON.stringify({ schemaVersion: 1, name: 'team/app', tag: 'v1', fsLayers: [], history: [] }),
      },
      MANIFESTS,
    ),
  },
  { id: 'F61', title: 'the tag moved', ...NOTHING, moves: true },
  {
    id: 'F64',
    title: '1,000 headers of 64 KiB',
    ...OUTAGE,
    reason: ['protocol', 'connect'],
    begin: set({ kind: 'header-bomb', count: 1_000, bytes: 64 * 1024 }),
  },
  {
    id: 'F65',
    title: 'Set-Cookie, Clear-Site-Data and Location on a good answer',
    ...NOTHING,
    begin: set({
      kind: 'headers',
      headers: { 'Set-Cookie': 'session=1', 'Clear-Site-Data': '"*"', Location: 'http://elsewhere.example.test/' },
    }),
  },
];

function set(fault: Fault, scope?: FaultScope) {
  return ({ upstream }: FaultStage) => {
    upstream.fault(fault, scope);
    return undefined;
  };
}

function status(id: string, code: number, headers: Readonly<Record<string, string>> = {}, with_ = ''): FaultRow {
  return {
    id,
    title: `${code} ${with_}`.trim(),
    ...OUTAGE,
    reason: 'server_error',
    begin: set({ kind: 'status', status: code, headers }),
  };
}

function broken(id: string, title: string, how: Breakage): FaultRow {
  return { id, title, ...MANIFEST_OUTAGE, reason: 'protocol', breaks: how };
}

function changedPassword({ upstream }: FaultStage) {
  upstream.setAuth({ kind: 'basic', ...CREDENTIALS, password: 'another password' });
  return async () => upstream.setAuth({ kind: 'basic', ...CREDENTIALS });
}

function removedTag({ upstream, asked }: FaultStage) {
  upstream.remove(asked.repository, asked.tag);
  return undefined;
}
