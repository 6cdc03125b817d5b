import {
  buildImage,
  type FaultUpstream,
  pullImage,
  rawGet,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

// Clients that cannot name an organization, or do not want to: containerd, docker, BuildKit.

let upstream: FaultUpstream;
let other: FaultUpstream;
let breakwater: TestRegistry;
let whole: string;
let team: string;
const image = buildImage({ seed: 'whole' });

beforeAll(async () => {
  upstream = await startFaultUpstream();
  other = await startFaultUpstream();
  upstream.add('team/app', 'v1', image);
  upstream.add('elsewhere/app', 'v1', buildImage({ seed: 'elsewhere' }));
  const state = await startTestRegistry();
  breakwater = state;
  whole = await breakwater.proxyOrganization({ upstream_registry: upstream.host });
  team = await breakwater.proxyOrganization({ upstream_registry: `${upstream.host}/team` });
});
afterAll(async () => {
  await breakwater.close();
  await upstream.close();
  await other.close();
});

const digestOf = async (path: string) => {
  const answer = await rawGet(`${breakwater.url}${path}`);
  return [answer.status, answer.headers['docker-content-digest'], answer.headers['oci-namespace']];
};

describe('?ns= names the upstream (containerd)', () => {
  test('the organization that proxies the most of the path is meant, and told with OCI-Namespace', async () => {
    const ns = upstream.host;
    expect(await digestOf(`/v2/team/app/manifests/v1?ns=${ns}`)).toEqual([200, image.manifest.digest, ns]);
    expect((await digestOf(`/v2/elsewhere/app/manifests/v1?ns=${ns}`))[0]).toBe(200);
    await upstream.kill();
    // Cached by its name below the organization of the namespace: the same repository, however it is named.
    expect((await digestOf(`/v2/${team}/app/manifests/v1`))[0]).toBe(200);
    expect((await digestOf(`/v2/${whole}/elsewhere/app/manifests/v1`))[0]).toBe(200);
    await upstream.revive();
  });

  test('blobs, lists and referrers come by it as well', async () => {
    const query = `?ns=${upstream.host}`;
    expect((await rawGet(`${breakwater.url}/v2/team/app/blobs/${image.config.digest}${query}`)).status).toBe(200);
    expect((await rawGet(`${breakwater.url}/v2/team/app/tags/list${query}`)).status).toBe(200);
    expect((await rawGet(`${breakwater.url}/v2/team/app/referrers/${image.manifest.digest}${query}`)).status).toBe(200);
  });

  test('an error says as well that it went by it', async () => {
    const ns = upstream.host;
    expect(await digestOf(`/v2/team/app/manifests/none?ns=${ns}`)).toEqual([404, undefined, ns]);
    expect(await digestOf('/v2/team/app/manifests/none?ns=quay.io')).toEqual([401, undefined, undefined]);
  });

  test('a path that begins with an organization wins', async () => {
    expect(await digestOf(`/v2/${whole}/team/app/manifests/v1?ns=quay.io`)).toEqual([
      200,
      image.manifest.digest,
      undefined,
    ]);
  });

  test('an upstream that no organization names is never asked (S20, C13)', async () => {
    for (const ns of [
      other.host,
      '127.0.0.1',
      'http://127.0.0.1',
      `${other.host}/team`,
      '169.254.169.254',
      '%00',
      '',
    ]) {
      const answer = await rawGet(`${breakwater.url}/v2/team/app/manifests/v1?ns=${encodeURIComponent(ns)}`);
      expect([ns, answer.status]).toEqual([ns, 401]);
    }
    expect(other.count()).toBe(0);
  });
});

describe('/<organization>/v2/ (mirrors of docker)', () => {
  test('is the same as /v2/<organization>/, and so is its ping', async () => {
    expect(await digestOf(`/${whole}/v2/team/app/manifests/v1`)).toEqual([200, image.manifest.digest, undefined]);
    expect(await digestOf(`/${whole}/v2/team/app/manifests/v1?ns=docker.io`)).toEqual([
      200,
      image.manifest.digest,
      undefined,
    ]);
    const ping = await rawGet(`${breakwater.url}/${whole}/v2/`);
    expect([ping.status, ping.headers['www-authenticate']]).toEqual([401, expect.stringContaining('/v2/auth"')]);
    expect((await rawGet(`${breakwater.url}/${whole}/v2/auth`)).status).toBe(200);
  });

  test('whoever may not pull cannot tell an organization that is closed from one that is not there', async () => {
    const closed = await breakwater.proxyOrganization({ upstream_registry: upstream.host, anonymous_pull: false });
    const username = 'wayfarer';
    await breakwater.api('POST', '/api/v1/superuser/users/', { username, password: 'password of nobody here' });
    const authorization = `Basic ${Buffer.from(`${username}:password of nobody here`).toString('base64')}`;
    for (const headers of [{}, { authorization }]) {
      for (const path of [
        'v2/',
        'v2',
        'v2/team/app/manifests/v1',
        'v2/team/app/tags/list',
        'v2/team/app/blobs/uploads/',
      ]) {
        const said = async (organization: string) => {
          const answer = await rawGet(`${breakwater.url}/${organization}/${path}`, { headers });
          const { date: _date, 'x-request-id': _id, ...rest } = answer.headers;
          return [answer.status, JSON.stringify([rest, answer.bytes.toString()]).replaceAll(organization, 'IT')];
        };
        const ofNobody = await said('nobodys');
        expect([path, await said(closed)]).toEqual([path, ofNobody]);
        expect(ofNobody[0]).toBe(
          path.length < 4 ? ('authorization' in headers ? 200 : 401) : 'authorization' in headers ? 403 : 401,
        );
      }
    }
  });

  test('a page about an organization that is called v2 stays a page', async () => {
    expect((await rawGet(`${breakwater.url}/organization/v2?tab=Settings`)).headers['content-type']).toContain(
      'text/html',
    );
    expect((await rawGet(`${breakwater.url}/api/v2/`)).status).toBe(404);
  });
});

describe('a default organization', () => {
  test('has the names that begin with no organization', async () => {
    const name = await breakwater.proxyOrganization({ upstream_registry: upstream.host, check_interval_s: 3600 });
    await using second = await startTestRegistry({
      on: breakwater.state,
      env: { BREAKWATER_DEFAULT_ORGANIZATION: name },
    });
    expect((await pullImage(second.url, 'team/app', 'v1')).problems).toEqual([]);
    expect((await pullImage(second.url, `${whole}/team/app`, 'v1')).problems).toEqual([]);
    // The scope that docker makes of the name that it knows opens the default organization.
    const scope = 'repository:team/app:pull';
    const got = await fetch(`${second.url}/v2/auth?scope=${scope}`, { headers: { connection: 'close' } });
    const { token } = (await got.json()) as { readonly token: string };
    const answer = await rawGet(`${second.url}/v2/team/app/manifests/v1`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(answer.status).toBe(200);
    // What names another upstream is not the default one's.
    expect((await rawGet(`${second.url}/v2/team/app/manifests/v1?ns=quay.io`)).status).toBe(401);
  });

  test('without one, such names are nobody’s', async () => {
    expect((await rawGet(`${breakwater.url}/v2/team/app/manifests/v1`)).status).toBe(401);
  });
});
