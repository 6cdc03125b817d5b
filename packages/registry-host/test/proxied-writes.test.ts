import {
  buildImage,
  type FaultUpstream,
  rawGet,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
  writeRequest,
} from '@breakwater/test-kit';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

// S24: what is written to a proxy organization is refused for what the organization is, whoever sends it: 405 to everybody
// who may pull, and to everybody else what a pull gets.

const image = buildImage({ seed: 'proxied writes' });
const { digest } = image.manifest;
const WRITES = [
  ['POST', 'blobs/uploads/'],
  ['POST', `blobs/uploads/?digest=${digest}`],
  ['POST', `blobs/uploads/?mount=${digest}&from=other/app`],
  ['PATCH', 'blobs/uploads/00000000-0000-4000-8000-000000000000'],
  ['PUT', `blobs/uploads/00000000-0000-4000-8000-000000000000?digest=${digest}`],
  ['DELETE', 'blobs/uploads/00000000-0000-4000-8000-000000000000'],
  ['PUT', 'manifests/v1'],
  ['PUT', `manifests/${digest}`],
  ['DELETE', 'manifests/v1'],
  ['DELETE', `manifests/${digest}`],
  ['DELETE', `blobs/${image.config.digest}`],
] as const;

let upstream: FaultUpstream;
let breakwater: TestRegistry;
let organizations: Readonly<Record<'open' | 'closed', string>>;
/** What each sends as `Authorization`. */
const principals = new Map<string, string | undefined>();

beforeAll(async () => {
  upstream = await startFaultUpstream();
  upstream.add('team/app', 'v1', image);
  breakwater = await startTestRegistry();
  const settings = { upstream_registry: upstream.host };
  const open = await breakwater.proxyOrganization(settings);
  const closed = await breakwater.proxyOrganization({ ...settings, anonymous_pull: false });
  organizations = { open, closed };
  const elsewhere = await breakwater.hostedOrganization();

  principals.set('nobody', undefined);
  principals.set('credentials for somewhere else', basic('dockerhub-user', 'their password'));
  principals.set('the administrator', breakwater.authorization);
  for (const role of ['member', 'admin'] as const) {
    const username = `the${role}`;
    await breakwater.api('POST', '/api/v1/superuser/users/', { username, password: `password of ${role}` });
    await breakwater.api('PUT', `/api/v1/organization/${closed}/members/${username}`, { role });
    principals.set(`the ${role} of the closed one`, basic(username, `password of ${role}`));
  }
  for (const organization of [closed, elsewhere]) {
    for (const role of ['read', 'write'] as const) {
      const made = await breakwater.api('PUT', `/api/v1/organization/${organization}/robots/robot${role}`, { role });
      const { name, token } = made.body as { readonly name: string; readonly token: string };
      principals.set(
        `a robot that may ${role} in ${organization === closed ? 'the closed one' : 'another one'}`,
        basic(name, token),
      );
    }
  }
  for (const [who, authorization] of [...principals]) {
    for (const actions of ['pull', 'pull,push', '*']) {
      const scopes = Object.values(organizations).map((name) => `scope=repository:${name}/team/app:${actions}`);
      const answer = await rawGet(`${breakwater.url}/v2/auth?${scopes.join('&')}`, {
        headers: headersOf(authorization),
      });
      const { token } = JSON.parse(answer.bytes.toString()) as { readonly token: string };
      principals.set(`${who}, by a token for ${actions}`, `Bearer ${token}`);
    }
  }
  principals.set('a token that is none', 'Bearer nonsense');
}, 60_000);
afterAll(async () => {
  await breakwater.close();
  await upstream.close();
});

function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
}

function headersOf(authorization: string | undefined): Readonly<Record<string, string>> {
  return authorization === undefined ? {} : { authorization };
}

describe.each(['open', 'closed'] as const)('an organization that is %s', (kind) => {
  test('405 to whoever may pull, to others what a pull gets; the upstream hears of none', async () => {
    const repository = `${organizations[kind]}/team/app`;
    const allowed: string[] = [];
    for (const [who, authorization] of principals) {
      const url = `${breakwater.url}/v2/${repository}/manifests/v1`;
      const pulled = (await rawGet(url, { headers: headersOf(authorization) })).status;
      if (pulled === 200) allowed.push(who);
      upstream.reset();
      const target = { url: breakwater.url, ...(authorization === undefined ? {} : { authorization }) };
      for (const [method, path] of WRITES) {
        const answer = await writeRequest(target, method, `/v2/${repository}/${path}`);
        expect([who, method, path, answer.status]).toEqual([who, method, path, pulled === 200 ? 405 : pulled]);
        if (pulled === 200) expect(answer.code).toBe('UNSUPPORTED');
      }
      expect(upstream.count()).toBe(0);
    }
    expect(allowed.length).toBe(kind === 'open' ? principals.size - 1 : 20);
  }, 60_000);
});
