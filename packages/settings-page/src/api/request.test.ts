import { expect, test } from '@jest/globals';
import { createSettingsPageApi } from './settings-page-api.js';

/** A registry in which another tab can sign in anew, under whatever name. */
function registry() {
  let session = { username: 'ann', csrf_token: 'first' };
  const writes: (string | undefined)[] = [];
  const fetch: typeof globalThis.fetch = async (address, { method, headers } = {}) => {
    if (String(address).endsWith('/session')) return Response.json(session);
    const sent = new Headers(headers).get('x-csrf-token') ?? undefined;
    if (method === 'GET') return Response.json({});
    writes.push(sent);
    if (sent !== session.csrf_token) {
      return Response.json({ error_type: 'invalid_csrf_token', status: 403 }, { status: 403 });
    }
    return Response.json('Created', { status: 201 });
  };
  return {
    api: createSettingsPageApi({ fetch }),
    writes,
    signInElsewhere(username: string, csrf_token: string) {
      session = { username, csrf_token };
    },
  };
}

test('another tab has signed in anew: the token is fetched again, and the write is sent once more', async () => {
  const { api, writes, signInElsewhere } = registry();
  await api.session();
  signInElsewhere('ann', 'second');
  await api.createSettings('lab', {});
  expect(writes).toEqual(['first', 'second']);
});

test('what one person has typed is not written as somebody else', async () => {
  const { api, writes, signInElsewhere } = registry();
  await api.session();
  signInElsewhere('bob', 'second');
  await expect(api.createSettings('lab', {})).rejects.toMatchObject({ name: 'ApiFailure', status: 401 });
  expect(writes).toEqual(['first']);
});

test('whoever signs in elsewhere does not take over this page, until they sign in here', async () => {
  const { api, signInElsewhere } = registry();
  await api.session();
  signInElsewhere('bob', 'second');
  await expect(api.session()).rejects.toMatchObject({ status: 401 });
});

test('a session that has ended can be ended; what else goes wrong is said', async () => {
  const answering = (status: number) =>
    createSettingsPageApi({ fetch: async () => Response.json({ status }, { status }) });
  await expect(answering(401).signOut()).resolves.toBeUndefined();
  await expect(answering(503).signOut()).rejects.toMatchObject({ name: 'ApiFailure', status: 503 });
});
