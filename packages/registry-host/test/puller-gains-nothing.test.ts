import {
  buildImage,
  pullImage,
  pushManifest,
  rawGet,
  registryState,
  startFaultUpstream,
  startTestRegistry,
  writeRequest,
} from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';

// S27: a repository of a proxy organization is there because its upstream has it, and is nobody's because they pulled it first.

const basic = (name: string, password: string) => `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;

test('a member who is the first to pull a repository gets no right in it, also when it is not proxied any more', async () => {
  const image = buildImage({ seed: 'pulled first' });
  await using upstream = await startFaultUpstream();
  upstream.add('team/new', 'v1', image);
  await using breakwater = await startTestRegistry();
  const { url } = breakwater;
  const organization = await breakwater.proxyOrganization({ upstream_registry: upstream.host, anonymous_pull: false });
  const member = { username: 'puller', password: 'password of a puller' };
  await breakwater.api('POST', '/api/v1/superuser/users/', member);
  await breakwater.api('PUT', `/api/v1/organization/${organization}/members/puller`, { role: 'member' });
  const authorization = basic(member.username, member.password);
  const name = `${organization}/team/new`;
  const asMember = { url, name, authorization };

  expect((await pullImage(url, name, 'v1', { headers: { authorization } })).problems).toEqual([]);
  const scope = `/v2/auth?scope=repository:${name}:pull,push,delete`;
  const { token } = JSON.parse((await rawGet(`${url}${scope}`, { headers: { authorization } })).bytes.toString());
  const { access } = JSON.parse(Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString());
  expect(access).toEqual([{ type: 'repository', name, actions: ['pull'] }]);
  expect((await pushManifest(asMember, 'v2', image.manifest)).status).toBe(405);

  expect((await breakwater.api('DELETE', `/api/v1/organization/${organization}/proxycache`)).status).toBe(201);
  for (const [method, path] of [
    ['POST', 'blobs/uploads/'],
    ['PUT', 'manifests/v2'],
    ['DELETE', 'manifests/v1'],
    ['DELETE', `manifests/${image.manifest.digest}`],
    ['DELETE', `blobs/${image.config.digest}`],
  ] as const) {
    const answer = await writeRequest(asMember, method, `/v2/${name}/${path}`);
    expect([method, path, answer.status, answer.code]).toEqual([method, path, 403, 'DENIED']);
  }
  const rights = await breakwater.api('GET', `/api/v1/organization/${organization}/members`);
  expect(rights.body).toMatchObject({ members: [{ name: 'puller', role: 'member' }] });
}, 60_000);

test('what the upstream does not have leaves no row behind, in whatever way it was asked for', async () => {
  const image = buildImage({ seed: 'is there' });
  await using upstream = await startFaultUpstream();
  upstream.add('team/there', 'v1', image);
  await using state = await registryState();
  const breakwater = await startTestRegistry({ on: state });
  const organization = await breakwater.proxyOrganization({ upstream_registry: upstream.host });
  const of = (name: string, path: string) => `${breakwater.url}/v2/${organization}/${name}/${path}`;
  for (const path of [
    'manifests/v1',
    `manifests/${image.manifest.digest}`,
    `blobs/${image.config.digest}`,
    'tags/list',
  ]) {
    for (const method of ['HEAD', 'GET']) {
      const { status } = await rawGet(of('team/absent', path), { method });
      expect([method, path, status]).toEqual([method, path, 404]);
    }
  }
  expect((await pullImage(breakwater.url, `${organization}/team/there`, 'v1')).problems).toEqual([]);
  // What is noted in memory is written by then.
  await breakwater.close();

  const { rows } = await state.database.knex.raw(`
    SELECT table_name FROM information_schema.columns
     WHERE table_schema = 'public' AND column_name = 'repository' ORDER BY table_name`);
  const tables: readonly string[] = rows.map((row: { readonly table_name: string }) => row.table_name);
  const naming = async (repository: string) => {
    const found: string[] = [];
    for (const table of tables) {
      const query = `SELECT FROM ${table} WHERE repository = ? LIMIT 1`;
      const result = await state.database.knex.raw(query, [repository]);
      if (result.rows.length > 0) found.push(table);
    }
    return found;
  };
  expect(await naming('team/there')).toEqual(expect.arrayContaining(['cached_tag', 'content_link']));
  expect(await naming('team/absent')).toEqual([]);
}, 60_000);
