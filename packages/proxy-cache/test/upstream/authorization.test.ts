import {
  buildImage,
  type FaultUpstream,
  type MovableClock,
  movableClock,
  startFaultUpstream,
  tagOf,
  type UpstreamAuth,
} from '@breakwater/test-kit';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { UpstreamClient } from '../../src/upstream/upstream-client.js';
import { closeQuietly, failureOf, nameOf, settingsFor, shown, soon, testClient } from '../support/upstream-client.js';

const image = buildImage({ seed: 'authorization' });
const app = nameOf('app');
const v1 = { kind: 'tag', tag: tagOf('v1') } as const;
const credentials = { username: 'robot', password: 'hunter2' };
const bearer: UpstreamAuth = { kind: 'bearer', ...credentials };

let upstream: FaultUpstream;
let client: UpstreamClient;
let clock: MovableClock;

beforeEach(async () => {
  clock = movableClock();
  upstream = await startFaultUpstream({ clock });
  upstream.add('app', 'v1', image);
  client = testClient({ clock });
});

afterEach(async () => {
  client.close();
  await closeQuietly(upstream);
});

type Changes = Parameters<typeof settingsFor>[1];
const registry = (changes: Changes = { credentials }) => client.registry(settingsFor(upstream.host, changes));
const pull = (changes?: Changes) => registry(changes).getManifest(app, v1, soon());
const tokens = () => upstream.count({ server: 'token' });

describe('challenges that are answered', () => {
  test('none', async () => {
    await pull();
    expect(shown(upstream)).toEqual(['registry -']);
  });

  test('basic, and from then on at once', async () => {
    upstream.setAuth({ kind: 'basic', ...credentials });
    await pull();
    await pull();
    expect(shown(upstream)).toEqual(['registry -', 'registry Basic', 'registry Basic']);
  });

  test('bearer: one token for many requests, asked for with the scope that we need and no other', async () => {
    upstream.setAuth(bearer);
    await pull();
    await pull();
    expect(shown(upstream)).toEqual(['registry -', 'token Basic', 'registry Bearer', 'registry Bearer']);
    const query = new URL(upstream.requests[1]?.path ?? '', 'http://x').searchParams;
    expect(Object.fromEntries(query)).toEqual({ service: 'fault-upstream', scope: 'repository:app:pull' });
  });

  test('bearer without credentials', async () => {
    upstream.setAuth({ kind: 'bearer' });
    await pull({});
    expect(shown(upstream)).toEqual(['registry -', 'token -', 'registry Bearer']);
  });

  test('a wider scope in the challenge is not asked for', async () => {
    upstream.setAuth(bearer);
    const challenge = `Bearer realm="${upstream.origins.token}/token",service="s",scope="repository:other:pull,push registry:catalog:*"`;
    upstream.fault({ kind: 'status', status: 401, headers: { 'WWW-Authenticate': challenge } }, { times: 1 });
    await pull();
    const { path } = upstream.requests.find(({ server }) => server === 'token') ?? { path: '' };
    expect(new URL(path, 'http://x').searchParams.getAll('scope')).toEqual(['repository:app:pull']);
  });
});

describe('the life of a token', () => {
  test('it is renewed at four fifths of its life', async () => {
    upstream.setAuth({ ...bearer, tokenLifetimeS: 100 });
    await pull();
    clock.advance({ seconds: 79 });
    await pull();
    expect(tokens()).toBe(1);
    clock.advance({ seconds: 1 });
    await pull();
    expect(tokens()).toBe(2);
    expect(upstream.count({ kind: 'manifest' })).toBe(4);
  });

  test('F79: while the token server is down, a token that is still valid is used', async () => {
    upstream.setAuth({ ...bearer, tokenLifetimeS: 100 });
    await pull();
    await upstream.kill('token');
    clock.advance({ seconds: 90 });
    await pull();
    clock.advance({ seconds: 10 });
    expect(await failureOf(pull())).toMatchObject({ failureClass: 'auth' });
  });

  test('F37: one that is refused in the middle of its life is renewed once', async () => {
    upstream.setAuth(bearer);
    await pull();
    upstream.revokeTokens();
    upstream.reset();
    await pull();
    expect(shown(upstream)).toEqual(['registry Bearer', 'token Basic', 'registry Bearer']);
  });

  test('twenty at once share one refresh, however late their refusals come', async () => {
    upstream.setAuth(bearer);
    await Promise.all(Array.from({ length: 20 }, () => pull()));
    expect(tokens()).toBe(1);
    upstream.revokeTokens();
    upstream.reset();
    upstream.fault({ kind: 'delay', ms: 150 }, { match: { kind: 'manifest' }, times: 10 });
    await Promise.all(Array.from({ length: 20 }, () => pull()));
    expect(tokens()).toBe(1);
  });

  test.each([
    [-5, 2, 3],
    [0, 2, 3],
    [1e12, 0, 1],
  ])('a life of %d s is bounded to an hour', async (lifetimeS, within, after) => {
    upstream.setAuth(bearer);
    const body = JSON.stringify({ token: 'abc', expires_in: lifetimeS });
    upstream.fault({ kind: 'status', status: 200, body }, { match: { kind: 'token' } });
    await failureOf(pull());
    upstream.setAuth({ kind: 'none' });
    upstream.reset();
    await pull();
    clock.advance({ minutes: 47 });
    await pull();
    expect(tokens()).toBe(within);
    clock.advance({ minutes: 2 });
    await pull();
    expect(tokens()).toBe(after);
  });
});

describe('S10: changed credentials', () => {
  test('are used at once, and the token of the old ones is not', async () => {
    upstream.setAuth(bearer);
    await pull({ credentials, credentialVersion: 1 });
    const changed = { username: 'other', password: 'secret' };
    upstream.setAuth({ kind: 'bearer', ...changed });
    upstream.reset();
    await pull({ credentials: changed, credentialVersion: 2 });
    expect(shown(upstream)).toEqual(['registry -', 'token Basic', 'registry Bearer']);
  });

  test('that were removed are not shown any more', async () => {
    upstream.setAuth({ kind: 'basic', ...credentials });
    await pull({ credentials, credentialVersion: 1 });
    upstream.reset();
    expect(await failureOf(pull({ credentialVersion: 2 }))).toMatchObject({ failureClass: 'denied' });
    expect(shown(upstream)).toEqual(['registry -']);
  });

  test('of one organization are not those of another', async () => {
    upstream.setAuth(bearer);
    await pull({ credentials });
    upstream.reset();
    const organization = 'other' as ReturnType<typeof settingsFor>['organization'];
    expect(await failureOf(pull({ organization }))).toMatchObject({ failureClass: 'denied' });
    expect(shown(upstream)).toEqual(['registry -', 'token -']);
  });
});

describe('refusals', () => {
  test('F38: 401 for ever is denied, after two round trips at most', async () => {
    upstream.setAuth(bearer);
    await pull();
    upstream.fault({ kind: 'status', status: 401 });
    upstream.fault({ kind: 'headers', headers: {} });
    for (let n = 0; n < 3; n += 1) {
      upstream.reset();
      expect(await failureOf(pull())).toMatchObject({ failureClass: 'denied', upstreamStatus: 401 });
      expect(upstream.count({ kind: 'manifest' })).toBeLessThanOrEqual(2);
      expect(tokens()).toBeLessThanOrEqual(1);
    }
  });

  test('F86: a token without the scope', async () => {
    upstream.setAuth({ kind: 'bearer', ...credentials, anonymous: true, privateRepositories: ['app'] });
    expect(await failureOf(pull({}))).toMatchObject({ failureClass: 'denied', upstreamStatus: 401 });
    expect(upstream.count({ kind: 'manifest' })).toBe(2);
    upstream.reset();
    expect(await failureOf(pull({}))).toMatchObject({ failureClass: 'denied' });
    expect(upstream.count({ kind: 'manifest' })).toBe(2);
  });

  test.each([401, 403])('F83: %d of the token server', async (status) => {
    upstream.setAuth(bearer);
    upstream.fault({ kind: 'status', status }, { match: { kind: 'token' } });
    expect(await failureOf(pull())).toMatchObject({ failureClass: 'denied', upstreamStatus: status });
  });

  test('wrong credentials for basic', async () => {
    upstream.setAuth({ kind: 'basic', username: 'robot', password: 'another' });
    expect(await failureOf(pull())).toMatchObject({ failureClass: 'denied', upstreamStatus: 401 });
    expect(upstream.count()).toBe(2);
  });
});

describe('a token server that is down is an outage of class auth', () => {
  beforeEach(() => upstream.setAuth(bearer));

  test('refused', async () => {
    await upstream.kill('token');
    expect(await failureOf(pull())).toMatchObject({ failureClass: 'auth' });
  });

  test.each([
    ['500', { kind: 'status', status: 500 }],
    ['404', { kind: 'status', status: 404 }],
    ['a redirect', { kind: 'redirect', location: 'http://127.0.0.1/' }],
    ['HTML', { kind: 'captive-portal' }],
    ['no token', { kind: 'body', body: '{"hello":1}' }],
    ['null', { kind: 'body', body: 'null' }],
    ['a token of a number', { kind: 'body', body: '{"token":1}' }],
    ['a token with a line feed', { kind: 'body', body: '{"token":"a\\r\\nX-Evil: 1"}' }],
    ['a token that is too long', { kind: 'body', body: JSON.stringify({ token: 'a'.repeat(40_000) }) }],
    ['a body that is too long', { kind: 'oversized', bytes: 10_000_000 }],
    ['malformed JSON', { kind: 'body', body: '{"token":' }],
    ['reset', { kind: 'no-answer', by: 'reset' }],
    ['cut', { kind: 'cut-body', afterBytes: 5, by: 'reset' }],
  ] as const)('F81: %s', async (_what, fault) => {
    upstream.fault(fault, { match: { kind: 'token' } });
    const error = await failureOf(pull());
    expect(error).toMatchObject({ failureClass: 'auth' });
    expect(upstream.count({ kind: 'manifest' })).toBe(1);
  });

  test('F84: its 429 is a rate limit', async () => {
    upstream.fault({ kind: 'status', status: 429, headers: { 'Retry-After': '7' } }, { match: { kind: 'token' } });
    expect(await failureOf(pull())).toMatchObject({ failureClass: 'rate_limited', retryAfterMs: 7_000 });
  });
});

describe('S5: realms', () => {
  test.each([
    ['another host', 'http://127.0.0.2:PORT/token'],
    ['a look-alike', 'http://127.0.0.1.evil.tld:PORT/token'],
    ['a private address', 'http://10.0.0.1/token'],
    ['with credentials', 'http://u:p@127.0.0.1:PORT/token'],
    ['javascript:', 'javascript:alert(1)'],
    ['file:', 'file:///token'],
  ])('%s is shown nothing', async (_what, realm) => {
    const evil = await startFaultUpstream({ address: '127.0.0.2', auth: bearer });
    const challenge = `Bearer realm="${realm.replace('PORT', String(evil.port))}",service="s"`;
    upstream.fault({ kind: 'status', status: 401, headers: { 'WWW-Authenticate': challenge } });
    expect(await failureOf(pull())).toMatchObject({ failureClass: 'blocked' });
    expect(await failureOf(pull({}))).toMatchObject({ failureClass: 'blocked' });
    expect(evil.acceptedConnections).toBe(0);
    await evil.close();
  });

  test('no URL is no token server', async () => {
    upstream.fault({ kind: 'status', status: 401, headers: { 'WWW-Authenticate': 'Bearer realm="token"' } });
    expect(await failureOf(pull())).toMatchObject({ failureClass: 'auth' });
  });

  test('a token server that redirects is not followed with credentials', async () => {
    const evil = await startFaultUpstream({ auth: bearer });
    upstream.setAuth(bearer);
    const location = `${evil.origins.token}/token`;
    upstream.fault({ kind: 'redirect', location }, { match: { kind: 'token' } });
    expect(await failureOf(pull())).toMatchObject({ failureClass: 'auth' });
    expect(evil.acceptedConnections).toBe(0);
    await evil.close();
  });
});

describe('who are you', () => {
  const ping = (changes: Changes) => registry(changes).ping(soon());

  test('an open registry, and one that let us in', async () => {
    expect(await ping({})).toBe('open');
    upstream.setAuth(bearer);
    expect(await ping({ credentials, credentialVersion: 2 })).toBe('authorized');
    upstream.setAuth({ kind: 'basic', ...credentials });
    expect(await ping({ credentials, credentialVersion: 3 })).toBe('authorized');
  });

  test('one that did not', async () => {
    upstream.setAuth({ kind: 'basic', ...credentials });
    expect(await failureOf(ping({}))).toMatchObject({ failureClass: 'denied' });
    const wrong = { username: 'robot', password: 'wrong' };
    expect(await failureOf(ping({ credentials: wrong, credentialVersion: 2 }))).toMatchObject({
      failureClass: 'denied',
    });
    upstream.setAuth(bearer);
    expect(await failureOf(ping({ credentials: wrong, credentialVersion: 3 }))).toMatchObject({
      failureClass: 'denied',
    });
  });
});
