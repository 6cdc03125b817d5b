import { rawGet, startTestRegistry, type TestRegistry } from '@breakwater/test-kit';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

// The authoritative table (S25, S30): what each one gets on each route of the management API and of the registry, in an
// organization that exists and in one that does not. A route that is documented and not in the table fails.

type Right = 'public' | 'signed-in' | 'administer' | 'read-settings' | 'write-settings';

/** Who may do what. A route is here by its id in the OpenAPI document. */
const RIGHTS: Readonly<Record<string, Right>> = {
  signinUser: 'public',
  logout: 'signed-in',
  getSession: 'signed-in',
  getLoggedInUser: 'signed-in',
  changeUserDetails: 'signed-in',
  listAppTokens: 'signed-in',
  createAppToken: 'signed-in',
  getAppToken: 'signed-in',
  revokeAppToken: 'signed-in',
  listOrganizations: 'signed-in',
  listAllUsers: 'administer',
  createInstallUser: 'administer',
  listAllLogs: 'administer',
  getInstallUser: 'administer',
  changeInstallUser: 'administer',
  deleteInstallUser: 'administer',
  createOrganization: 'administer',
  runGarbageCollection: 'administer',
  getOrganization: 'read-settings',
  getOrganizationMembers: 'write-settings',
  getOrganizationMember: 'write-settings',
  putOrganizationMember: 'write-settings',
  removeOrganizationMember: 'write-settings',
  listOrgLogs: 'write-settings',
  getProxyCacheConfig: 'read-settings',
  createProxyCacheConfig: 'write-settings',
  updateProxyCacheConfig: 'write-settings',
  deleteProxyCacheConfig: 'write-settings',
  validateProxyCacheConfig: 'write-settings',
  testProxyCacheConnection: 'write-settings',
  getProxyCacheHealth: 'read-settings',
  listProxyCacheEvents: 'read-settings',
  listProxyCacheTags: 'read-settings',
  checkProxyCache: 'write-settings',
  pinProxyCacheTags: 'write-settings',
  unpinProxyCacheTags: 'write-settings',
  purgeProxyCache: 'write-settings',
  warmProxyCache: 'write-settings',
  getProxyCacheWarm: 'read-settings',
  getOrgRobots: 'write-settings',
  getOrgRobot: 'write-settings',
  createOrgRobot: 'write-settings',
  regenerateOrgRobotToken: 'write-settings',
  deleteOrgRobot: 'write-settings',
  getStorageStatus: 'administer',
  listDamagedContent: 'administer',
  listGarbageCollections: 'administer',
  explainGarbageCollection: 'administer',
  listQuarantine: 'administer',
};

const REFUSED = { nobody: 401, wrong: 401, expired: 401 } as const;
/** What somebody without the right gets; `undefined` = they have it. */
const TABLE: Readonly<Record<Right, Readonly<Record<string, number | undefined>>>> = {
  public: {},
  'signed-in': { ...REFUSED },
  'read-settings': { ...REFUSED, stranger: 403, robot: 403 },
  'write-settings': { ...REFUSED, stranger: 403, robot: 403, member: 403, token: 403 },
  administer: { ...REFUSED, stranger: 403, robot: 403, member: 403, token: 403, orgadmin: 403, session: 403 },
};
/** `robot`: one of the organization that may push. `token`: an API token of the member. `session`: the cookie of the orgadmin. */
const WHO = [
  'nobody',
  'wrong',
  'expired',
  'stranger',
  'robot',
  'member',
  'token',
  'orgadmin',
  'session',
  'administrator',
] as const;
type Who = (typeof WHO)[number];
/** Another site can make a browser send a cookie, but not the CSRF token: without it a session only reads. */
const isForged = (who: Who, method: string) => who === 'session' && method !== 'GET';
/** What is refused to robots for what they are: they have neither a password nor tokens of their own. */
const NOT_FOR_ROBOTS = new Set([
  'changeUserDetails',
  'listAppTokens',
  'createAppToken',
  'getAppToken',
  'revokeAppToken',
]);

const ORGANIZATIONS = ['there', 'missing', 'Not-A-Name', 'a%2fb'];

let breakwater: TestRegistry;
const headers = new Map<Who, Readonly<Record<string, string>>>();

beforeAll(async () => {
  breakwater = await startTestRegistry();
  await breakwater.api('POST', '/api/v1/organization/', { name: 'there' });
  for (const name of ['stranger', 'member', 'orgadmin']) {
    await breakwater.api('POST', '/api/v1/superuser/users/', { username: name, password: 'password of all' });
  }
  await breakwater.api('PUT', '/api/v1/organization/there/members/member', { role: 'member' });
  await breakwater.api('PUT', '/api/v1/organization/there/members/orgadmin', { role: 'admin' });
  headers.set('nobody', { authorization: '' });
  headers.set('wrong', { authorization: 'Basic d3Jvbmc6d3Jvbmc=' });
  headers.set('expired', { authorization: `Bearer bwt_${'0'.repeat(32)}_${'A'.repeat(43)}` });
  headers.set('administrator', {});
  for (const name of ['stranger', 'member', 'orgadmin'] as const) {
    headers.set(name, basic(name, 'password of all'));
  }
  const robot = await breakwater.api('PUT', '/api/v1/organization/there/robots/builder', { role: 'write' });
  headers.set('robot', basic('there+builder', (robot.body as { readonly token: string }).token));
  const token = await breakwater.api('POST', '/api/v1/user/apptoken', { title: 'rights' }, headers.get('member'));
  const { token_code } = (token.body as { readonly token: { readonly token_code: string } }).token;
  headers.set('token', { authorization: `Bearer ${token_code}` });
  const credentials = { username: 'orgadmin', password: 'password of all' };
  const session = await breakwater.api('POST', '/api/v1/signin', credentials, headers.get('nobody'));
  const [cookie = ''] = (session.headers.get('set-cookie') ?? '').split(';');
  headers.set('session', { authorization: '', cookie });
});
afterAll(() => breakwater?.close());

function basic(name: string, password: string): Readonly<Record<string, string>> {
  return { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` };
}

test('every documented route is in the table, with the same right, and nothing else is', async () => {
  const documented = (await breakwater.contract()).operations;
  const rights = Object.fromEntries(documented.map(({ id, right }) => [id, right]));
  expect(rights).toEqual(RIGHTS);
});

describe.each(WHO)('%s', (who) => {
  test('gets on every route what the table says, in an organization that exists and in one that does not', async () => {
    const wrong: string[] = [];
    const bodies = { read: new Set<string>(), write: new Set<string>() };
    for (const operation of (await breakwater.contract()).operations) {
      // These would change who is who, or take seconds.
      if (CHANGES_THE_TEST.has(operation.id) && TABLE[RIGHTS[operation.id] ?? 'administer'][who] === undefined)
        continue;
      const isOfOrganization = operation.path.includes('{orgname}');
      const ask = async (organization: string) => {
        const path = operation.path.replace('{orgname}', organization).replace(/\{\w+\}/g, 'nobody-of-this-name');
        const body = operation.body === undefined ? undefined : { nonsense: 1 };
        const answer = await breakwater.api(operation.method, path, body, headers.get(who));
        const right = RIGHTS[operation.id] ?? 'administer';
        const refused = right !== 'public' && isForged(who, operation.method) ? 403 : TABLE[right][who];
        // An organization that is not there is as one without the right, and only administrators may all.
        const expected = refused ?? (isOfOrganization && organization !== 'there' ? 403 : undefined);
        const isNotForRobots = who === 'robot' && NOT_FOR_ROBOTS.has(operation.id);
        const isRight =
          expected === undefined
            ? ![401, 403].includes(answer.status) || operation.id === 'signinUser' || isNotForRobots
            : answer.status === expected;
        if (!isRight) wrong.push(`${operation.id} ${organization}: ${answer.status}, not ${expected}`);
        if (answer.status === 403 && expected === 403) {
          bodies[operation.method === 'GET' ? 'read' : 'write'].add(JSON.stringify(answer.body));
        }
        if (answer.status === 401 && !answer.headers.has('www-authenticate'))
          wrong.push(`${operation.id}: no challenge`);
      };
      await Promise.all((isOfOrganization ? ORGANIZATIONS : ['there']).map(ask));
    }
    expect(wrong).toEqual([]);
    // Alike to the byte, so that nobody can find out which names are taken.
    expect(bodies.read.size).toBeLessThanOrEqual(1);
    expect(bodies.write.size).toBeLessThanOrEqual(1);
  });

  test('gets on pulls and pushes what the table says', async () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const authorization = headers.get(who)?.['authorization'];
    const sent =
      who === 'administrator'
        ? { authorization: breakwater.authorization }
        : { ...headers.get(who), authorization: authorization ?? '' };
    const status = async (method: string, organization: string, rest: string) =>
      (await rawGet(`${breakwater.url}/v2/${organization}/app/${rest}`, { method, headers: sent })).status;
    // Pulls take no cookies.
    const isSignedIn = !['nobody', 'wrong', 'expired', 'session'].includes(who);
    const none = isSignedIn ? 403 : 401;
    const pulls = ['robot', 'member', 'token', 'orgadmin', 'administrator'].includes(who);
    const pushes = ['robot', 'orgadmin', 'administrator'].includes(who);
    for (const [method, rest, allowed] of [
      ['GET', `manifests/${digest}`, 404],
      ['HEAD', `manifests/${digest}`, 404],
      ['GET', 'manifests/v1', 404],
      ['GET', `blobs/${digest}`, 404],
      ['HEAD', `blobs/${digest}`, 404],
      ['GET', 'tags/list', 404],
      // A list of nothing, never a 404.
      ['GET', `referrers/${digest}`, 200],
    ] as const) {
      const expected = { there: pulls ? allowed : none, missing: who === 'administrator' ? allowed : none };
      for (const organization of ['there', 'missing'] as const) {
        const got = await status(method, organization, rest);
        expect([method, organization, rest, got]).toEqual([method, organization, rest, expected[organization]]);
      }
    }
    const session = '00000000-0000-4000-8000-000000000000';
    for (const [method, rest, allowed] of [
      ['POST', 'blobs/uploads/', 202],
      ['POST', `blobs/uploads/?mount=${digest}&from=there/other`, 202],
      ['GET', `blobs/uploads/${session}`, 404],
      ['PATCH', `blobs/uploads/${session}`, 404],
      ['PUT', `blobs/uploads/${session}?digest=${digest}`, 404],
      ['DELETE', `blobs/uploads/${session}`, 404],
      ['PUT', 'manifests/v1', 400],
      ['PUT', `manifests/${digest}`, 400],
      ['DELETE', 'manifests/v1', 404],
      ['DELETE', `manifests/${digest}`, 404],
      ['DELETE', `blobs/${digest}`, 404],
    ] as const) {
      const expected = { there: pushes ? allowed : none, missing: who === 'administrator' ? 404 : none };
      for (const organization of ['there', 'missing'] as const) {
        const got = await status(method, organization, rest);
        expect([method, organization, rest, got]).toEqual([method, organization, rest, expected[organization]]);
      }
    }
  });
});

const CHANGES_THE_TEST = new Set(['logout', 'runGarbageCollection']);

test('a body is not read for somebody without the right', async () => {
  const answer = await fetch(`${breakwater.url}/api/v1/organization/there/members/bob`, {
    method: 'PUT',
    headers: { ...headers.get('member'), 'content-type': 'application/json', connection: 'close' },
    body: '{not json',
  });
  expect(answer.status).toBe(403);
});
