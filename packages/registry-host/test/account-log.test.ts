import {
  movableClock,
  registryState,
  startTestRegistry,
  type TestRegistry,
  type TestRegistryState,
} from '@breakwater/test-kit';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

// What is done with accounts is written down, in the transaction of the change, and not for ever.

const clock = movableClock(Date.now());
let state: TestRegistryState;
let breakwater: TestRegistry;
const start = () => startTestRegistry({ clock, on: state, env: { BREAKWATER_AUDIT_RETENTION_DAYS: '30' } });
beforeAll(async () => {
  state = await registryState();
  breakwater = await start();
}, 60_000);
afterAll(async () => {
  await breakwater?.close();
  await state?.remove();
});

interface Entry {
  readonly kind: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly ip: string | null;
  readonly performer: { readonly name: string } | null;
}

const logs = async (query = '') => {
  const { body } = await breakwater.api('GET', `/api/v1/superuser/logs?limit=100${query}`);
  return (body as { readonly logs: readonly Entry[] }).logs;
};
const kinds = async () => (await logs()).map(({ kind, performer }) => [kind, performer?.name]);
const knex = () => state.database.knex;
const basic = (name: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
});

test('users, passwords, API tokens and sign-ins, the latest first, and never a secret', async () => {
  const api: TestRegistry['api'] = (...asked) => breakwater.api(...asked);
  const create = { username: 'ada', password: 'the first secret' };
  expect((await api('POST', '/api/v1/superuser/users/', create)).status).toBe(200);
  // What was refused was not done.
  expect((await api('POST', '/api/v1/superuser/users/', create)).status).toBe(400);
  await api('POST', '/api/v1/signin', { username: 'ada', password: 'not her secret' }, { authorization: '' });
  await api('POST', '/api/v1/signin', { username: 'the first secret', password: 'x' }, { authorization: '' });
  await api('POST', '/api/v1/signin', create, { authorization: '' });
  const made = await api('POST', '/api/v1/user/apptoken', { title: 'ci' }, basic('ada', 'the first secret'));
  const { token } = made.body as { readonly token: { readonly uuid: string; readonly token_code: string } };
  await api('DELETE', `/api/v1/user/apptoken/${token.uuid}`, undefined, basic('ada', 'the first secret'));
  const change = { current_password: 'the first secret', password: 'the second secret' };
  await api('PUT', '/api/v1/user/', change, basic('ada', 'the first secret'));
  await api('PUT', '/api/v1/superuser/users/ada', { super_user: true });
  await api('DELETE', '/api/v1/superuser/users/ada');

  expect(await kinds()).toEqual([
    ['user_delete', 'admin'],
    ['user_change', 'admin'],
    ['user_change_password', 'ada'],
    ['revoke_app_specific_token', 'ada'],
    ['create_app_specific_token', 'ada'],
    ['login_success', 'ada'],
    ['login_failure', undefined],
    ['login_failure', 'ada'],
    ['user_create', 'admin'],
  ]);
  const all = JSON.stringify(await logs());
  for (const secret of ['the first secret', 'the second secret', 'not her secret', token.token_code]) {
    expect(all).not.toContain(secret);
  }
  expect((await logs()).every(({ ip }) => ip !== null)).toBe(true);
  expect((await logs('&performer=ada')).map(({ kind }) => kind)).not.toContain('user_create');
  const first = (await api('GET', '/api/v1/superuser/logs?limit=4')).body as { logs: Entry[]; next_page: string };
  const rest = (await api('GET', `/api/v1/superuser/logs?limit=100&next_page=${first.next_page}`)).body as typeof first;
  expect([...first.logs, ...rest.logs]).toEqual(await logs());
});

test('without the log there is no change, and no session', async () => {
  const before = await kinds();
  await knex().raw(`alter table account_log add constraint test_refuses check (kind = 'nothing') not valid`);
  try {
    const create = { username: 'bob', password: 'a secret of bob' };
    expect((await breakwater.api('POST', '/api/v1/superuser/users/', create)).status).toBe(500);
    const admin = breakwater.administrator;
    expect((await breakwater.api('POST', '/api/v1/signin', admin, { authorization: '' })).status).toBe(500);
    expect((await breakwater.api('POST', '/api/v1/user/apptoken', { title: 'ci' })).status).toBe(500);
  } finally {
    await knex().raw('alter table account_log drop constraint test_refuses');
  }
  expect((await breakwater.api('GET', '/api/v1/superuser/users/bob')).status).toBe(404);
  expect(await knex()('web_session').where({ user_name: 'admin' })).toEqual([]);
  expect(await knex()('api_token').where({ user_name: 'admin' })).toEqual([]);
  expect(await kinds()).toEqual(before);
});

test('in the log of an organization the entry comes first: without it nothing is done', async () => {
  const api: TestRegistry['api'] = (...asked) => breakwater.api(...asked);
  const organization = await breakwater.proxyOrganization({ upstream_registry: '127.0.0.1:1' });
  const home = `/api/v1/organization/${organization}`;
  await api('POST', '/api/v1/superuser/users/', { username: 'eve', password: 'a secret of eve' });
  const todo: readonly (readonly [string, string, unknown?])[] = [
    ['PUT', `${home}/robots/builder`],
    ['POST', `${home}/robots/builder/regenerate`],
    ['PUT', `${home}/members/eve`, { role: 'member' }],
    ['POST', `${home}/proxycache/warm`, { references: ['team/app:v1'] }],
    ['DELETE', `${home}/members/eve`],
    ['DELETE', `${home}/robots/builder`],
  ];
  const done = async () => {
    const rows = ['robot_account', 'organization_member', 'warm_request'].map((table) =>
      knex()(table).where({ organization }),
    );
    return JSON.stringify(await Promise.all(rows));
  };
  for (const [method, path, body] of todo) {
    const before = await done();
    await knex().raw(`alter table proxy_cache_audit add constraint test_refuses check (kind = 'nothing') not valid`);
    try {
      expect([path, (await api(method, path, body)).status >= 500]).toEqual([path, true]);
    } finally {
      await knex().raw('alter table proxy_cache_audit drop constraint test_refuses');
    }
    expect([path, await done()]).toEqual([path, before]);
    expect([path, (await api(method, path, body)).status < 300]).toEqual([path, true]);
  }
  const { body } = await api('GET', `${home}/logs`);
  expect((body as { readonly logs: readonly Entry[] }).logs.map(({ kind }) => kind)).toEqual([
    'delete_robot',
    'org_remove_member',
    'proxy_cache_warm',
    'org_set_member_role',
    'regenerate_robot_token',
    'create_robot',
    'create_proxy_cache_config',
  ]);
});

test('what is older than the operator keeps goes, of both logs', async () => {
  const organization = await breakwater.proxyOrganization({ upstream_registry: '127.0.0.1:1' });
  const ofOrganization = async () =>
    Number((await knex()('proxy_cache_audit').where({ organization }).count({ n: '*' }))[0]?.['n']);
  expect([(await logs()).length > 0, await ofOrganization()]).toEqual([true, 1]);
  clock.advance({ hours: 29 * 24 });
  await breakwater.api('POST', '/api/v1/superuser/users/', { username: 'young', password: 'not so old' });
  clock.advance({ hours: 2 * 24 });
  // A start looks at once.
  await breakwater.close();
  breakwater = await start();
  for (let waited = 0; (await ofOrganization()) > 0 && waited < 10_000; waited += 50) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(await ofOrganization()).toBe(0);
  expect((await logs()).map(({ metadata }) => metadata['username'])).toEqual(['young']);
});
