import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RegistryError, silentLogger } from '@breakwater/registry-core';
import { movableClock, rawGet } from '@breakwater/test-kit';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { RegistryUser } from '../access/users.js';
import { RegistryTokens } from './registry-tokens.js';
import { tokenEndpoint } from './token-endpoint.js';

// Anybody may pull from `open`; what verifying credentials comes to is each test's own.

let verified: () => RegistryUser | undefined;
let server: Server;
beforeAll(async () => {
  const answer = tokenEndpoint({
    tokens: new RegistryTokens({ key: new Uint8Array(32), service: 'registry.example', clock: movableClock() }),
    verify: async () => verified(),
    access: { authorize: async (_principal, action, { organization }) => action === 'pull' && organization === 'open' },
    resolveName: async (name) => name,
    logger: silentLogger,
  });
  server = createServer((request, response) => answer(request, response, () => response.end()));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

async function ask(scope: string): Promise<number> {
  const { port } = server.address() as AddressInfo;
  const authorization = `Basic ${Buffer.from('somebody:of somewhere else').toString('base64')}`;
  return (await rawGet(`http://127.0.0.1:${port}/v2/auth?scope=${scope}`, { headers: { authorization } })).status;
}

const failing = (error: Error) => () => {
  throw error;
};

test.each([
  ['wrong', () => undefined, 401],
  ['not looked at, after too many wrong ones', failing(new RegistryError('TOOMANYREQUESTS')), 429],
  ['not looked at, in a crowd', failing(new RegistryError('UNAVAILABLE', 'too many sign-ins at once')), 503],
])('credentials that are %s count for nothing where anybody may pull', async (_what, verify, status) => {
  verified = verify;
  expect(await ask('repository:open/app:pull')).toBe(200);
  expect(await ask('repository:open/app:pull&scope=repository:closed/app:pull')).toBe(200);
  expect(await ask('repository:closed/app:pull')).toBe(status);
  expect(await ask('')).toBe(status);
});

test('another failure is none of that', async () => {
  verified = failing(new TypeError('a mistake'));
  expect(await ask('repository:open/app:pull')).toBe(500);
});
