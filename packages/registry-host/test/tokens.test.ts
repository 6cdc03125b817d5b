import {
  buildImage,
  type FaultUpstream,
  movableClock,
  pushImage,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

// Docker's token protocol: who gets a token for what, and what it opens.

const clock = movableClock(Date.now());
let breakwater: TestRegistry;
let upstream: FaultUpstream;
/** Anybody may pull from `open`, members from `closed` and `hosted`. */
let open: string;
let closed: string;
let hosted: string;
let robot: { readonly name: string; readonly token: string };

beforeAll(async () => {
  upstream = await startFaultUpstream();
  upstream.add('team/app', 'v1', buildImage({ seed: 1 }));
  breakwater = await startTestRegistry({ clock });
  const settings = { upstream_registry: upstream.host, check_interval_s: 3600, staleness_period_s: 86_400 };
  open = await breakwater.proxyOrganization(settings);
  closed = await breakwater.proxyOrganization({ ...settings, anonymous_pull: false });
  hosted = await breakwater.hostedOrganization();
  const target = { url: breakwater.url, name: `${hosted}/app`, authorization: breakwater.authorization };
  await pushImage(target, 'v1', buildImage({ seed: 2 }));
  robot = (await makeRobot(hosted, 'reader', 'read')) as typeof robot;
});
afterAll(async () => {
  await breakwater.close();
  await upstream.close();
});

async function makeRobot(organization: string, name: string, role: string): Promise<unknown> {
  const made = await breakwater.api('PUT', `/api/v1/organization/${organization}/robots/${name}`, { role });
  expect(made.status).toBe(201);
  return made.body;
}

const basic = (name: string, password: string) => `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;

interface Got {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

async function get(path: string, authorization?: string, method = 'GET', body?: string): Promise<Got> {
  const response = await fetch(`${breakwater.url}${path}`, {
    method,
    headers: {
      connection: 'close',
      ...(authorization === undefined ? {} : { authorization }),
      ...(body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
    },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) };
}

const askFor = (scopes: readonly string[], authorization?: string) =>
  get(
    `/v2/auth?service=breakwater&${scopes.map((scope) => `scope=${encodeURIComponent(scope)}`).join('&')}`,
    authorization,
  );

async function bearer(scopes: readonly string[], authorization?: string): Promise<string> {
  const { status, body } = await askFor(scopes, authorization);
  expect(status).toBe(200);
  return `Bearer ${String(body['token'])}`;
}

function grantsIn(token: unknown): unknown {
  return JSON.parse(Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString()).access;
}

const manifest = (organization: string, repository = 'team/app') => `/v2/${organization}/${repository}/manifests/v1`;

describe('the way of a client', () => {
  test('a challenge names the token server and the scope; its token opens what was asked for', async () => {
    const refused = await get(manifest(hosted, 'app'));
    const challenge = refused.headers.get('www-authenticate') ?? '';
    expect([refused.status, challenge]).toEqual([
      401,
      `Bearer realm="${breakwater.url}/v2/auth",service="breakwater",scope="repository:${hosted}/app:pull"`,
    ]);
    const answer = await askFor([`repository:${hosted}/app:pull`], basic(robot.name, robot.token));
    expect(answer.body['token']).toBe(answer.body['access_token']);
    expect(answer.body['expires_in']).toBe(3600);
    expect(Date.parse(String(answer.body['issued_at']))).toBe(clock.now());
    const opened = await get(manifest(hosted, 'app'), `Bearer ${String(answer.body['token'])}`);
    expect(opened.status).toBe(200);
  });

  test('/v2/ is 401 without anything, and 200 with any valid token, also for nobody in particular', async () => {
    const refused = await get('/v2/');
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
      401,
      `Bearer realm="${breakwater.url}/v2/auth",service="breakwater"`,
    ]);
    expect((await get('/v2/', await bearer([]))).status).toBe(200);
    expect((await get('/v2/', basic('admin', 'wrong'))).status).toBe(401);
  });

  test('Basic keeps working, and so do API tokens', async () => {
    expect((await get(manifest(hosted, 'app'), breakwater.authorization)).status).toBe(200);
    expect((await get(manifest(hosted, 'app'), basic(robot.name, robot.token))).status).toBe(200);
    expect((await get(manifest(hosted, 'app'), 'Bearer nonsense')).status).toBe(401);
  });

  test('tokens are asked for with a form as well, as containerd does', async () => {
    const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString();
    const scope = `repository:${hosted}/app:pull repository:library/nginx:pull`;
    const fields = { grant_type: 'password', service: 'breakwater', client_id: 'containerd-client', scope };
    const answer = await get(
      '/v2/auth',
      undefined,
      'POST',
      form({ ...fields, username: robot.name, password: robot.token }),
    );
    expect(answer.status).toBe(200);
    expect(grantsIn(answer.body['access_token'])).toEqual([
      { type: 'repository', name: `${hosted}/app`, actions: ['pull'] },
    ]);
    const wrong = await get('/v2/auth', undefined, 'POST', form({ ...fields, username: robot.name, password: 'x' }));
    expect(wrong.status).toBe(401);
    const refresh = await get('/v2/auth', undefined, 'POST', form({ grant_type: 'refresh_token', refresh_token: 'x' }));
    expect(refresh.status).toBe(400);
    expect((await get('/v2/auth', undefined, 'PUT')).status).toBe(405);
  });
});

describe('what is granted', () => {
  test('of several scopes those that may be granted; the rest is left out', async () => {
    const { body } = await askFor(
      [
        `repository:${hosted}/app:pull,push`,
        `repository:${closed}/team/app:pull`,
        'repository:nobody/x:pull',
        'registry:catalog:*',
      ],
      basic(robot.name, robot.token),
    );
    expect(grantsIn(body['token'])).toEqual([{ type: 'repository', name: `${hosted}/app`, actions: ['pull'] }]);
  });

  test('a robot that may write pushes in its own organization and nowhere else', async () => {
    const writer = (await makeRobot(hosted, 'writer', 'write')) as typeof robot;
    const scopes = [`repository:${hosted}/new:pull,push`, `repository:${closed}/team/app:pull,push`];
    const authorization = await bearer(scopes, basic(writer.name, writer.token));
    const target = { url: breakwater.url, name: `${hosted}/new`, authorization };
    await pushImage(target, 'v1', buildImage({ seed: 3 }));
    expect((await get(manifest(closed), authorization)).status).toBe(401);
    expect((await get(manifest(closed), basic(writer.name, writer.token))).status).toBe(403);
  });

  test('a robot that may only read pushes nothing, and no robot administers anything', async () => {
    const authorization = await bearer([`repository:${hosted}/app:*`], basic(robot.name, robot.token));
    expect((await get(`/v2/${hosted}/app/blobs/uploads/`, authorization, 'POST')).status).toBe(401);
    expect((await get(`/v2/${hosted}/app/blobs/uploads/`, basic(robot.name, robot.token), 'POST')).status).toBe(403);
    const asRobot = await get(`/api/v1/organization/${hosted}/robots`, basic(robot.name, robot.token));
    expect(asRobot.status).toBe(403);
  });

  test('a token is for its repositories, whatever its owner may do elsewhere (S28)', async () => {
    const authorization = await bearer([`repository:${hosted}/app:pull`], breakwater.authorization);
    expect((await get(manifest(hosted, 'app'), authorization)).status).toBe(200);
    const other = await get(manifest(hosted, 'other'), authorization);
    expect([other.status, other.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining(`scope="repository:${hosted}/other:pull",error="insufficient_scope"`),
    ]);
    expect((await get(`/v2/${hosted}/app/blobs/uploads/`, authorization, 'POST')).status).toBe(401);
    expect((await get(manifest(hosted, 'app'), authorization, 'DELETE')).status).toBe(401);
    expect((await get('/api/v1/user/', authorization)).status).toBe(401);
  });

  test('a token ends after its hour, and with its robot at once', async () => {
    const gone = (await makeRobot(hosted, 'shortlived', 'read')) as typeof robot;
    const scope = [`repository:${hosted}/app:pull`];
    const authorization = await bearer(scope, basic(gone.name, gone.token));
    expect((await get(manifest(hosted, 'app'), authorization)).status).toBe(200);
    await breakwater.api('DELETE', `/api/v1/organization/${hosted}/robots/shortlived`);
    expect((await get(manifest(hosted, 'app'), authorization)).status).toBe(401);

    const hour = await bearer(scope, basic(robot.name, robot.token));
    clock.advance({ seconds: 3599 });
    expect((await get(manifest(hosted, 'app'), hour)).status).toBe(200);
    clock.advance({ seconds: 1 });
    expect((await get(manifest(hosted, 'app'), hour)).status).toBe(401);
  });

  test('a password that was changed opens nothing any more', async () => {
    const robotBefore = (await makeRobot(hosted, 'renewed', 'read')) as typeof robot;
    const scope = [`repository:${hosted}/app:pull`];
    const tokenBefore = await bearer(scope, basic(robotBefore.name, robotBefore.token));
    expect((await get(manifest(hosted, 'app'), tokenBefore)).status).toBe(200);
    expect((await get(manifest(hosted, 'app'), basic(robotBefore.name, robotBefore.token))).status).toBe(200);
    const renewed = await breakwater.api('POST', `/api/v1/organization/${hosted}/robots/renewed/regenerate`);
    const { token } = renewed.body as typeof robot;
    expect((await get(manifest(hosted, 'app'), basic(robotBefore.name, robotBefore.token))).status).toBe(401);
    expect((await get(manifest(hosted, 'app'), tokenBefore)).status).toBe(401);
    expect((await get(manifest(hosted, 'app'), basic(robotBefore.name, token))).status).toBe(200);
    expect((await get(manifest(hosted, 'app'), await bearer(scope, basic(robotBefore.name, token)))).status).toBe(200);
  });

  test('a token of a robot is none of another that is called like it later', async () => {
    const first = (await makeRobot(hosted, 'again', 'write')) as typeof robot;
    const authorization = await bearer([`repository:${hosted}/app:pull`], basic(first.name, first.token));
    await breakwater.api('DELETE', `/api/v1/organization/${hosted}/robots/again`);
    await makeRobot(hosted, 'again', 'write');
    expect((await get(manifest(hosted, 'app'), authorization)).status).toBe(401);
  });

  test('a token of somebody ends with their password', async () => {
    const user = { username: 'changing', password: 'the first password' };
    expect((await breakwater.api('POST', '/api/v1/superuser/users/', user)).status).toBe(200);
    await breakwater.api('PUT', `/api/v1/organization/${hosted}/members/changing`, { role: 'member' });
    const authorization = await bearer([`repository:${hosted}/app:pull`], basic('changing', user.password));
    expect((await get(manifest(hosted, 'app'), authorization)).status).toBe(200);
    const changed = await breakwater.api('PUT', '/api/v1/superuser/users/changing', {
      password: 'the second password',
    });
    expect(changed.status).toBe(200);
    expect((await get(manifest(hosted, 'app'), authorization)).status).toBe(401);
  });

  test('who asked to push deletes nothing with it, and who asked to delete pushes nothing (S28)', async () => {
    const password = breakwater.authorization;
    const begin = (authorization: string) => get(`/v2/${hosted}/apart/blobs/uploads/`, authorization, 'POST');
    const remove = (authorization: string) => get(`/v2/${hosted}/apart/manifests/none`, authorization, 'DELETE');
    const pushing = await bearer([`repository:${hosted}/apart:pull,push`], password);
    const refused = await remove(pushing);
    expect([(await begin(pushing)).status, refused.status, refused.headers.get('www-authenticate')]).toEqual([
      202,
      401,
      expect.stringContaining(`scope="repository:${hosted}/apart:pull,delete",error="insufficient_scope"`),
    ]);
    const deleting = await bearer([`repository:${hosted}/apart:pull,delete`], password);
    expect([(await begin(deleting)).status, (await remove(deleting)).status]).toEqual([401, 404]);
    const all = await bearer([`repository:${hosted}/apart:*`], password);
    expect([(await begin(all)).status, (await remove(all)).status]).toEqual([202, 404]);
  });
});

describe('a mount takes nothing that could not be pulled', () => {
  const mount = (authorization: string, from: string, digest: string) =>
    get(`/v2/${hosted}/mounted/blobs/uploads/?mount=${digest}&from=${from}`, authorization, 'POST');

  test('from a repository of another organization, nor from one that the token is not for', async () => {
    const { config } = buildImage({ seed: 2 });
    const writer = (await makeRobot(hosted, 'mounter', 'write')) as typeof robot;
    const elsewhere = await breakwater.hostedOrganization();
    const theirs = buildImage({ seed: 'theirs' });
    const target = { url: breakwater.url, name: `${elsewhere}/app`, authorization: breakwater.authorization };
    await pushImage(target, 'v1', theirs);
    const password = basic(writer.name, writer.token);
    expect((await mount(password, `${elsewhere}/app`, theirs.config.digest)).status).toBe(202);
    const narrow = await bearer([`repository:${hosted}/mounted:pull,push`], password);
    expect((await mount(narrow, `${hosted}/app`, config.digest)).status).toBe(202);
    const wide = await bearer([`repository:${hosted}/mounted:pull,push`, `repository:${hosted}/app:pull`], password);
    expect((await mount(wide, `${hosted}/app`, config.digest)).status).toBe(201);
  });
});

describe('where anybody may pull', () => {
  test('nobody in particular gets a token, and pulls with it', async () => {
    const authorization = await bearer([`repository:${open}/team/app:pull,push`]);
    expect((await get(manifest(open), authorization)).status).toBe(200);
    expect((await get(`/v2/${open}/team/app/blobs/uploads/`, authorization, 'POST')).status).toBe(405);
    expect((await get(manifest(closed), authorization)).status).toBe(401);
  });

  test('credentials for somewhere else count for nothing, with a token and without', async () => {
    const theirs = basic('dockerhub-user', 'their password');
    expect((await get(manifest(open), theirs)).status).toBe(200);
    expect((await get(manifest(open), await bearer([`repository:${open}/team/app:pull`], theirs))).status).toBe(200);
    expect((await get(manifest(closed), theirs)).status).toBe(401);
    expect((await askFor([`repository:${closed}/team/app:pull`], theirs)).status).toBe(401);
    expect((await askFor([], theirs)).status).toBe(401);
  });

  test('a closed organization gives nobody a token that opens it', async () => {
    const { body } = await askFor([`repository:${closed}/team/app:pull`]);
    expect(grantsIn(body['token'])).toEqual([]);
  });
});
