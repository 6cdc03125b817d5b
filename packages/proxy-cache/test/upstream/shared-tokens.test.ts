import { InProcessKeyValueStore, type KeyValueStore, MAX_MANIFEST_BYTES } from '@breakwater/registry-core';
import {
  buildImage,
  type FaultUpstream,
  type MovableClock,
  movableClock,
  startFaultUpstream,
  tagOf,
  type UpstreamAuth,
} from '@breakwater/test-kit';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { DEFAULT_DEADLINES } from '../../src/upstream/deadlines.js';
import { systemLookup } from '../../src/upstream/resolver.js';
import { UpstreamClient } from '../../src/upstream/upstream-client.js';
import { UpstreamProbe } from '../../src/upstream-probe.js';
import { closeQuietly, failureOf, nameOf, settingsFor, shown, soon } from '../support/upstream-client.js';

// Processes of a cluster, each a client of its own, that share tokens through a store.

const image = buildImage({ seed: 'shared tokens' });
const app = nameOf('app');
const v1 = { kind: 'tag', tag: tagOf('v1') } as const;
const credentials = { username: 'robot', password: 'hunter2' };
const bearer: UpstreamAuth = { kind: 'bearer', ...credentials, tokenLifetimeS: 100 };

let upstream: FaultUpstream;
let clock: MovableClock;
let store: KeyValueStore;
const clients: UpstreamClient[] = [];

beforeEach(async () => {
  clock = movableClock();
  store = new InProcessKeyValueStore(clock);
  upstream = await startFaultUpstream({ clock });
  upstream.add('app', 'v1', image);
  upstream.setAuth(bearer);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await closeQuietly(upstream);
});

function newProcess(sharedTokens: KeyValueStore = store): UpstreamClient {
  const client = new UpstreamClient({
    clock,
    deadlines: DEFAULT_DEADLINES,
    allowedHosts: ['127.0.0.0/8'],
    lookup: systemLookup,
    maxManifestBytes: MAX_MANIFEST_BYTES,
    sharedTokens,
  });
  clients.push(client);
  return client;
}

type Changes = Parameters<typeof settingsFor>[1];
const pull = (client: UpstreamClient, changes: Changes = { credentials }) =>
  client.registry(settingsFor(upstream.host, changes)).getManifest(app, v1, soon());
const tokens = () => upstream.count({ server: 'token' });

test('a token is fetched by one process and used by all', async () => {
  await pull(newProcess());
  upstream.reset();
  await pull(newProcess());
  await pull(newProcess());
  expect(shown(upstream)).toEqual(['registry -', 'registry Bearer', 'registry -', 'registry Bearer']);
});

test('it is renewed by one, at four fifths of its life, and then had by the other', async () => {
  const [one, two] = [newProcess(), newProcess()];
  await pull(one);
  await pull(two);
  clock.advance({ seconds: 80 });
  await pull(two);
  expect(tokens()).toBe(2);
  await pull(one);
  expect(tokens()).toBe(2);
});

test.each<readonly [string, Changes]>([
  ['another organization', { credentials, organization: nameOf('x') as never }],
  ['other credentials', { credentials: { username: 'robot', password: 'another' }, credentialVersion: 2 }],
])('S10: %s do not get it', async (_what, changes) => {
  await pull(newProcess());
  upstream.reset();
  await pull(newProcess(), changes).catch(() => undefined);
  expect(tokens()).toBe(1);
});

test('one that was revoked since is replaced by one made anew, at once and for all', async () => {
  await pull(newProcess());
  upstream.revokeTokens();
  upstream.reset();
  const two = newProcess();
  await pull(two);
  expect(shown(upstream)).toEqual(['registry -', 'registry Bearer', 'token Basic', 'registry Bearer']);
  await pull(newProcess());
  expect(tokens()).toBe(1);
});

test('one that is revoked while it is borrowed is replaced, and the refused one not borrowed again', async () => {
  const [one, two] = [newProcess(), newProcess()];
  await pull(one);
  await pull(two);
  upstream.revokeTokens();
  upstream.reset();
  await pull(two);
  expect(shown(upstream)).toEqual(['registry Bearer', 'token Basic', 'registry Bearer']);
});

test('who is refused with a token made anew is refused', async () => {
  const one = newProcess();
  upstream.setAuth({ kind: 'bearer', ...credentials, privateRepositories: ['app'], anonymous: true });
  expect(await failureOf(pull(one, {}))).toMatchObject({ failureClass: 'denied' });
  upstream.reset();
  expect(await failureOf(pull(newProcess(), {}))).toMatchObject({ failureClass: 'denied' });
  expect(upstream.requests.length).toBeLessThanOrEqual(4);
});

test('F79: while the token server is down, a process that has just been started uses a token until it expires', async () => {
  await pull(newProcess());
  clock.advance({ seconds: 90 });
  await upstream.kill('token');
  await pull(newProcess());
  clock.advance({ seconds: 10 });
  expect(await failureOf(pull(newProcess()))).toMatchObject({ failureClass: 'auth' });
});

test('what is only tried out shares nothing: the token of one trial lets nobody else in', async () => {
  const probed = { upstream: upstream.host, insecure: true };
  const [one, two] = [
    new UpstreamProbe(newProcess(), DEFAULT_DEADLINES),
    new UpstreamProbe(newProcess(), DEFAULT_DEADLINES),
  ];
  expect(await one.validate({ ...probed, credentials })).toBe('valid');
  const wrong = two.validate({ ...probed, credentials: { username: 'robot', password: 'wrong' } });
  expect(await failureOf(wrong)).toMatchObject({ failureClass: 'denied' });
});

test('S31: whatever else is in the store is a miss', async () => {
  let poison: string | undefined;
  const poisoned: KeyValueStore = { ...emptyStore(), get: async () => poison };
  const good = { token: 'a', renewAt: clock.now() + 1_000, expiresAt: clock.now() + 1_000 };
  const poisons = [
    '',
    'garbage',
    'null',
    '[]',
    '"text"',
    '{}',
    JSON.stringify({ ...good, token: 1 }),
    JSON.stringify({ ...good, token: 'a\r\nX-Injected: b' }),
    JSON.stringify({ ...good, token: '' }),
    JSON.stringify({ ...good, token: 'x'.repeat(33_000) }),
    JSON.stringify({ ...good, renewAt: '9e15' }),
    JSON.stringify({ ...good, expiresAt: null }),
    JSON.stringify({ ...good, expiresAt: clock.now() }),
  ];
  for (poison of poisons) {
    upstream.reset();
    await pull(newProcess(poisoned));
    expect(shown(upstream)).toEqual(['registry -', 'token Basic', 'registry Bearer']);
  }
});

test('a lifetime from the store counts for an hour at most', async () => {
  upstream.setAuth({ ...bearer, tokenLifetimeS: 86_400 });
  const kept: string[] = [];
  await pull(newProcess({ ...emptyStore(), set: async (_key, value) => void kept.push(value) }));
  const forEver = JSON.stringify({ ...JSON.parse(kept[0] ?? ''), renewAt: 9e15, expiresAt: 9e15 });
  const once = [forEver];
  const two = newProcess({ ...emptyStore(), get: async () => once.pop() });
  upstream.reset();
  await pull(two);
  expect(tokens()).toBe(0);
  clock.advance({ hours: 1 });
  await pull(two);
  expect(tokens()).toBe(1);
});

test('a store that breaks its promise and fails costs a token and nothing else', async () => {
  const failing: KeyValueStore = {
    get: () => Promise.reject(new Error('a store of a test')),
    set: () => Promise.reject(new Error('a store of a test')),
    delete: () => Promise.reject(new Error('a store of a test')),
  };
  await pull(newProcess(failing));
  expect(tokens()).toBe(1);
});

function emptyStore(): KeyValueStore {
  return { get: async () => undefined, set: async () => undefined, delete: async () => undefined };
}
