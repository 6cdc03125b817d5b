import { movableClock, rawGet, startTestRegistry, type TestRegistry } from '@breakwater/test-kit';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

// Users, their roles in organizations, API tokens, and the session of the page, through the API.

const clock = movableClock(Date.now());
let breakwater: TestRegistry;

beforeAll(async () => {
  breakwater = await startTestRegistry({ clock });
  for (const name of ['lab', 'attic']) await breakwater.api('POST', '/api/v1/organization/', { name });
  for (const name of ['ada', 'bob', 'eve']) {
    const body = { username: name, password: `password of ${name}`, email: `${name}@example.org` };
    expect(await breakwater.api('POST', '/api/v1/superuser/users/', body)).toMatchObject({
      status: 200,
      body: { username: name },
    });
  }
  const members = '/api/v1/organization/lab/members';
  await breakwater.api('PUT', `${members}/ada`, { role: 'admin' });
  await breakwater.api('PUT', `${members}/bob`, { role: 'member' });
});
afterAll(() => breakwater?.close());

const basic = (name: string, password = `password of ${name}`) => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
});
const as = (name: string) => (method: string, path: string, body?: unknown) =>
  breakwater.api(method, path, body, basic(name));

interface Browser {
  readonly cookie: string;
  readonly csrf: string;
  send(method: string, path: string, headers?: Readonly<Record<string, string>>, body?: unknown): Promise<Response>;
}

/** Signs in as a page does. */
async function signIn(name: string): Promise<Browser> {
  const answer = await post('/api/v1/signin', { username: name, password: `password of ${name}` });
  expect(answer.status).toBe(200);
  const [cookie = ''] = (answer.headers.get('set-cookie') ?? '').split(';');
  const { csrf_token: csrf } = (await answer.json()) as { csrf_token: string };
  return {
    cookie,
    csrf,
    send: (method, path, headers = {}, body) =>
      fetch(`${breakwater.url}${path}`, {
        method,
        headers: { cookie, 'content-type': 'application/json', connection: 'close', ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
  };
}

function post(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(`${breakwater.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', connection: 'close', ...headers },
    body: JSON.stringify(body),
  });
}

test('roles: what each sees and may do, at once after it changed', async () => {
  expect((await as('bob')('GET', '/api/v1/organizations')).body).toEqual({
    organizations: [{ name: 'lab', role: 'member', is_org_admin: false, upstream_registry: null }],
  });
  expect((await as('eve')('GET', '/api/v1/organizations')).body).toEqual({ organizations: [] });
  expect((await breakwater.api('GET', '/api/v1/organizations')).body).toEqual({
    organizations: [
      { name: 'attic', role: null, is_org_admin: true, upstream_registry: null },
      { name: 'lab', role: null, is_org_admin: true, upstream_registry: null },
    ],
  });
  expect((await as('ada')('GET', '/api/v1/user/')).body).toEqual({
    anonymous: false,
    username: 'ada',
    super_user: false,
    organizations: [{ name: 'lab', role: 'admin', is_org_admin: true, upstream_registry: null }],
  });
  const settings = { upstream_registry: 'docker.io' };
  expect((await as('bob')('POST', '/api/v1/organization/lab/proxycache', settings)).status).toBe(403);
  expect((await as('ada')('POST', '/api/v1/organization/lab/proxycache', settings)).status).toBe(201);
  expect((await as('bob')('GET', '/api/v1/organization/lab')).body).toMatchObject({
    upstream_registry: 'docker.io',
    is_member: true,
    is_admin: false,
  });
  expect((await as('eve')('GET', '/api/v1/organization/lab/proxycache')).status).toBe(403);

  const eve = '/api/v1/organization/lab/members/eve';
  expect((await as('bob')('PUT', eve, { role: 'member' })).status).toBe(403);
  expect((await as('ada')('PUT', eve, { role: 'member' })).body).toEqual({ name: 'eve', kind: 'user', role: 'member' });
  expect((await as('eve')('GET', '/api/v1/organization/lab/proxycache')).status).toBe(200);
  expect((await as('ada')('GET', '/api/v1/organization/lab/members?limit=2')).body).toMatchObject({
    members: [
      { name: 'ada', role: 'admin' },
      { name: 'bob', role: 'member' },
    ],
    next_page: expect.any(String),
  });
  expect((await as('ada')('DELETE', eve)).status).toBe(204);
  expect((await as('ada')('GET', eve)).status).toBe(404);
  expect((await as('ada')('DELETE', eve)).status).toBe(404);
  expect((await as('ada')('GET', '/api/v1/organization/lab/logs?limit=2')).body).toMatchObject({
    logs: [
      { kind: 'org_remove_member', metadata: { member: 'eve' }, performer: { name: 'ada' } },
      { kind: 'org_set_member_role', metadata: { member: 'eve', role: 'member' }, performer: { name: 'ada' } },
    ],
  });
  expect((await as('eve')('GET', '/api/v1/organization/lab/proxycache')).status).toBe(403);
  expect((await as('ada')('PUT', '/api/v1/organization/lab/members/nobody', { role: 'admin' })).status).toBe(404);
  expect(await as('ada')('PUT', eve, { role: 'owner', since: 1 })).toMatchObject({
    status: 400,
    body: {
      problems: [
        { field: 'role', message: 'must be admin or member, not "owner"' },
        { field: '"since"', message: 'is not a field; there are role' },
      ],
    },
  });
});

test('members pull, others do not; a role counts in another process as well', async () => {
  const path = '/v2/lab/none/manifests/sha256:0000000000000000000000000000000000000000000000000000000000000000';
  await breakwater.api('DELETE', '/api/v1/organization/lab/proxycache');
  const pull = (name: string) => rawGet(`${breakwater.url}${path}`, { headers: basic(name) });
  expect((await pull('bob')).status).toBe(404);
  expect((await pull('eve')).status).toBe(403);
  expect((await rawGet(`${breakwater.url}${path}`)).status).toBe(401);

  const other = await startTestRegistry({ clock, on: breakwater.state });
  try {
    expect((await other.api('PUT', '/api/v1/organization/lab/members/eve', { role: 'member' })).status).toBe(200);
    let { status } = await pull('eve');
    for (let tries = 0; tries < 50 && status === 403; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      ({ status } = await pull('eve'));
    }
    expect(status).toBe(404);
  } finally {
    await other.close();
    await breakwater.api('DELETE', '/api/v1/organization/lab/members/eve');
  }
});

test('users: made with a generated password or their own, listed by page, changed, deleted with all that is theirs', async () => {
  const made = await breakwater.api('POST', '/api/v1/superuser/users/', { username: 'gen' });
  const { password } = made.body as { password: string };
  expect((await breakwater.api('GET', '/api/v1/user/', undefined, basic('gen', password))).status).toBe(200);
  expect((await breakwater.api('POST', '/api/v1/superuser/users/', { username: 'gen' })).status).toBe(400);
  expect((await breakwater.api('POST', '/api/v1/superuser/users/', { username: 'lab' })).status).toBe(400);
  expect((await breakwater.api('POST', '/api/v1/organization/', { name: 'gen' })).status).toBe(400);
  const wrong = { username: 'Gen 2', password: 'short', super_user: 'yes' };
  expect((await breakwater.api('POST', '/api/v1/superuser/users/', wrong)).body).toMatchObject({
    problems: [
      { field: 'username', message: expect.stringContaining('must be lower-case letters') },
      { field: 'password', message: 'must be at least 8 characters long; it has 5' },
      { field: 'super_user', message: 'must be true or false; it is "yes"' },
    ],
  });

  const names: string[] = [];
  let page = '';
  do {
    const { body } = await breakwater.api('GET', `/api/v1/superuser/users/?limit=2${page}`);
    const { users, next_page } = body as { users: { username: string }[]; next_page?: string };
    names.push(...users.map(({ username }) => username));
    page = next_page === undefined ? '' : `&next_page=${next_page}`;
  } while (page !== '');
  expect(names).toEqual(['ada', 'admin', 'bob', 'eve', 'gen']);
  for (const query of ['limit=0', 'limit=x', 'limit=1001', 'limit=1&limit=2', 'next_page=x', 'pages=1']) {
    expect((await breakwater.api('GET', `/api/v1/superuser/users/?${query}`)).status).toBe(400);
  }

  expect((await as('ada')('GET', '/api/v1/superuser/users/')).status).toBe(403);
  const changed = await breakwater.api('PUT', '/api/v1/superuser/users/gen', { password: 'a new password' });
  expect(changed.body).toMatchObject({ username: 'gen', super_user: false, created: expect.any(String) });
  expect((await breakwater.api('GET', '/api/v1/user/', undefined, basic('gen', password))).status).toBe(401);
  expect((await breakwater.api('GET', '/api/v1/user/', undefined, basic('gen', 'a new password'))).status).toBe(200);
  const own = { current_password: 'a new password', password: 'another password' };
  const change = () => breakwater.api('PUT', '/api/v1/user/', own, basic('gen', 'a new password'));
  expect((await change()).status).toBe(200);
  expect((await change()).status).toBe(401);

  expect((await breakwater.api('DELETE', '/api/v1/superuser/users/gen')).status).toBe(204);
  expect((await breakwater.api('DELETE', '/api/v1/superuser/users/gen')).status).toBe(404);
  expect((await breakwater.api('DELETE', '/api/v1/superuser/users/admin')).status).toBe(400);
  expect((await breakwater.api('GET', '/api/v1/user/', undefined, basic('gen', 'another password'))).status).toBe(401);
});

test('an API token is shown once, speaks for its owner, and ends by time or revocation', async () => {
  const made = await as('bob')('POST', '/api/v1/user/apptoken', { title: 'ci', expires_in_s: 3_600 });
  const { token } = made.body as { token: { uuid: string; token_code: string } };
  expect(token.token_code).toMatch(/^bwt_[0-9a-f]{32}_[A-Za-z0-9_-]{43}$/);
  const bearer = { authorization: `Bearer ${token.token_code}` };
  const who = async () => breakwater.api('GET', '/api/v1/user/', undefined, bearer);
  expect((await who()).body).toMatchObject({ username: 'bob' });
  const listed = await as('bob')('GET', '/api/v1/user/apptoken');
  expect(listed.body).toMatchObject({ tokens: [{ uuid: token.uuid, title: 'ci', last_accessed: expect.any(String) }] });
  expect(JSON.stringify(listed.body)).not.toContain(token.token_code.slice(-43));
  const rows = await breakwater.state.database.knex('api_token').select('*');
  expect(JSON.stringify(rows)).not.toContain(token.token_code.slice(-43));
  // Not somebody else's to see or revoke.
  expect((await as('ada')('GET', `/api/v1/user/apptoken/${token.uuid}`)).status).toBe(404);
  expect((await as('ada')('DELETE', `/api/v1/user/apptoken/${token.uuid}`)).status).toBe(404);
  const forged = `${token.token_code.slice(0, -1)}${token.token_code.endsWith('A') ? 'E' : 'A'}`;
  expect((await breakwater.api('GET', '/api/v1/user/', undefined, { authorization: `Bearer ${forged}` })).status).toBe(
    401,
  );

  clock.advance({ seconds: 3_600 });
  expect((await who()).status).toBe(401);
  const second = await as('bob')('POST', '/api/v1/user/apptoken', { title: 'for ever' });
  const { token: lasting } = second.body as { token: { uuid: string; token_code: string } };
  const lastingBearer = { authorization: `Bearer ${lasting.token_code}` };
  expect((await breakwater.api('GET', '/api/v1/session', undefined, lastingBearer)).body).toEqual({
    username: 'bob',
    super_user: false,
    csrf_token: null,
    idle_expires_at: null,
    expires_at: null,
  });
  expect((await as('bob')('DELETE', `/api/v1/user/apptoken/${lasting.uuid}`)).status).toBe(204);
  expect((await breakwater.api('GET', '/api/v1/user/', undefined, lastingBearer)).status).toBe(401);
});

test('a robot has no tokens and no other password than the one that its organization gives it', async () => {
  const made = await as('ada')('PUT', '/api/v1/organization/lab/robots/builder', {});
  const { token } = made.body as { token: string };
  const robot = basic('lab+builder', token);
  expect((await breakwater.api('POST', '/api/v1/user/apptoken', { title: 'x' }, robot)).status).toBe(403);
  const change = { current_password: token, password: 'another password' };
  expect((await breakwater.api('PUT', '/api/v1/user/', change, robot)).status).toBe(403);
  expect((await breakwater.api('GET', '/api/v1/user/', undefined, robot)).body).toMatchObject({ super_user: false });
});

test('a session: cookie out of reach of scripts, CSRF token for writes, ended by signing out', async () => {
  const answer = await post('/api/v1/signin', { username: 'ada', password: 'password of ada' });
  expect(answer.headers.get('set-cookie')).toMatch(
    /^breakwater-session=[A-Za-z0-9_-]{43}; Max-Age=86400; Path=\/; HttpOnly; SameSite=Strict$/,
  );
  const ada = await signIn('ada');
  const session = await ada.send('GET', '/api/v1/session');
  expect(await session.json()).toMatchObject({ username: 'ada', super_user: false, csrf_token: ada.csrf });
  const stored = await breakwater.state.database.knex('web_session').select('*');
  expect(JSON.stringify(stored)).not.toContain(ada.cookie.split('=')[1]);

  const path = '/api/v1/organization/lab/members/bob';
  const write = (headers: Readonly<Record<string, string>>) => ada.send('PUT', path, headers, { role: 'member' });
  for (const headers of [
    {},
    { 'x-csrf-token': '' },
    { 'x-csrf-token': `${ada.csrf.slice(1)}A` },
    { 'x-csrf-token': 'ü' },
  ]) {
    const refused = await write(headers);
    expect(refused.status).toBe(403);
    expect(await refused.json()).toMatchObject({ error_type: 'invalid_csrf_token' });
  }
  expect((await write({ 'x-csrf-token': ada.csrf })).status).toBe(200);
  const other = await signIn('bob');
  expect((await write({ 'x-csrf-token': other.csrf })).status).toBe(403);
  // Pulls take no cookies, so that no page can make a browser pull in somebody's name.
  expect((await ada.send('GET', '/v2/')).status).toBe(401);

  expect((await ada.send('POST', '/api/v1/signout')).status).toBe(403);
  const out = await ada.send('POST', '/api/v1/signout', { 'x-csrf-token': ada.csrf });
  expect(out.headers.get('set-cookie')).toMatch(/^breakwater-session=; Max-Age=0;/);
  const ended = await ada.send('GET', '/api/v1/session', { 'sec-fetch-mode': 'cors' });
  expect(ended.status).toBe(401);
  // At "Basic" a browser would open a window of its own.
  expect(ended.headers.get('www-authenticate')).toMatch(/^Bearer /);
  expect((await other.send('GET', '/api/v1/session')).status).toBe(200);
});

test('a session ends when it is left alone for two hours, and after a day however much it is used', async () => {
  const alone = await signIn('ada');
  clock.advance({ hours: 2 });
  expect((await alone.send('GET', '/api/v1/session')).status).toBe(401);
  const busy = await signIn('ada');
  for (let hour = 1; hour < 24; hour += 1) {
    clock.advance({ hours: 1 });
    expect((await busy.send('GET', '/api/v1/session')).status).toBe(200);
  }
  clock.advance({ hours: 1 });
  expect((await busy.send('GET', '/api/v1/session')).status).toBe(401);
  await signIn('ada');
  expect(await breakwater.state.database.knex('web_session').count('* as n').first()).toEqual({ n: '1' });
});

test('a page that refreshes itself does not keep the session of somebody who has gone', async () => {
  const left = await signIn('ada');
  const refresh = () => left.send('GET', '/api/v1/session', { 'x-background-refresh': '1' });
  for (let minute = 0; minute < 110; minute += 10) {
    clock.advance({ minutes: 10 });
    expect((await refresh()).status).toBe(200);
  }
  clock.advance({ minutes: 10 });
  expect((await refresh()).status).toBe(401);
});

test('a changed password ends the sessions, and so does the end of the user', async () => {
  await breakwater.api('POST', '/api/v1/superuser/users/', { username: 'tmp', password: 'password of tmp' });
  const before = await signIn('tmp');
  await breakwater.api('PUT', '/api/v1/superuser/users/tmp', { password: 'password of tmp' });
  expect((await before.send('GET', '/api/v1/session')).status).toBe(401);
  const after = await signIn('tmp');
  await breakwater.api('DELETE', '/api/v1/superuser/users/tmp');
  expect((await after.send('GET', '/api/v1/session')).status).toBe(401);
});

test('wrong passwords are 403 as Quay says it, and too many of them 429', async () => {
  const wrong = await post('/api/v1/signin', { username: 'eve', password: 'wrong' });
  expect(wrong.status).toBe(403);
  expect(wrong.headers.get('set-cookie')).toBeNull();
  expect(await wrong.json()).toMatchObject({ invalidCredentials: true, detail: 'Invalid Username or Password' });
  for (let at = 0; at < 19; at += 1) await post('/api/v1/signin', { username: 'eve', password: `wrong ${at}` });
  const refused = await post('/api/v1/signin', { username: 'eve', password: 'wrong again' });
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await post('/api/v1/signin', { username: 'bob', password: 'password of bob' })).status).toBe(200);
  clock.advance({ minutes: 15 });
  expect((await post('/api/v1/signin', { username: 'eve', password: 'password of eve' })).status).toBe(200);
});

test('behind https the cookie never travels without it, and a page of another site writes nothing with a password', async () => {
  const secure = await startTestRegistry({
    clock,
    on: breakwater.state,
    env: { BREAKWATER_PUBLIC_URL: 'https://registry.example.org' },
  });
  try {
    const answer = await fetch(`${secure.url}/api/v1/signin`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify({ username: 'bob', password: 'password of bob' }),
    });
    expect(answer.headers.get('set-cookie')).toMatch(
      /^__Host-breakwater-session=.*; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
    );
  } finally {
    await secure.close();
  }
  const crossSite = { ...basic('ada'), 'sec-fetch-site': 'cross-site' };
  const collect = await breakwater.api('POST', '/api/v1/gc/run?dry_run=true', undefined, {
    'sec-fetch-site': 'cross-site',
  });
  expect(collect.status).toBe(403);
  expect((await breakwater.api('DELETE', '/api/v1/organization/lab/members/bob', undefined, crossSite)).status).toBe(
    403,
  );
});
