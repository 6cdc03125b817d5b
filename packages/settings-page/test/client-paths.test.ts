import {
  buildImage,
  type FaultUpstream,
  rawGet,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { clientSnippets } from '../src/clients/client-snippets.js';

// For the snippets whose clients do not run here: the request that a client makes of them, put to a running registry. How
// each puts its path together: containerd, remotes/docker/registry.go and docs/hosts.md; BuildKit, util/resolver; k3s,
// pkg/agent/containerd (its rewrites); containers/image, sysregistriesv2.

let upstream: FaultUpstream;
let breakwater: TestRegistry;
let upstreams = 0;

beforeAll(async () => {
  upstream = await startFaultUpstream();
  for (const repository of ['team/app', 'prometheus/app']) {
    upstream.add(repository, 'latest', buildImage({ seed: repository }));
  }
  breakwater = await startTestRegistry({ lookup: async () => [{ address: '127.0.0.1', family: 4 }] });
}, 60_000);

afterAll(async () => {
  await breakwater?.close();
  await upstream?.close();
});

/** A request for a manifest by the name that it has at the upstream, and how it is let in. */
interface ClientRequest {
  readonly path: string;
  readonly authorization?: string;
}
type ReadsSnippet = (text: string, host: string, repository: string) => ClientRequest;

const manifest = (repository: string, ns: string | undefined) =>
  `/v2/${repository}/manifests/latest${ns === undefined ? '' : `?ns=${ns}`}`;

const CLIENTS: Readonly<Record<string, ReadsSnippet>> = {
  containerd(text, host, repository) {
    const [, base = ''] = /^\[host\."([^"]+)"\]$/m.exec(text) ?? [];
    const { pathname } = new URL(base);
    const home = /override_path = true/.test(text) ? pathname : `${pathname === '/' ? '' : pathname}/v2`;
    const [, authorization] = /authorization = "([^"]+)"/.exec(text) ?? [];
    const path = `${home}/${repository}/manifests/latest?ns=${host}`;
    return { path, ...(authorization === undefined ? {} : { authorization }) };
  },
  buildkit(text, host, repository) {
    const [, mirror = ''] = /mirrors = \["([^"]+)"\]/.exec(text) ?? [];
    const [, ...before] = mirror.split('/');
    return { path: manifest([...before, repository].join('/'), host) };
  },
  k3s(text, host, repository) {
    const [, pattern = '', replacement = ''] = /rewrite:\n\s+"([^"]+)": "([^"]+)"/.exec(text) ?? [];
    return { path: manifest(repository.replace(new RegExp(pattern), replacement), host) };
  },
  podman(text, host, repository) {
    const [, prefix = ''] = /prefix = "([^"]+)"/.exec(text) ?? [];
    const [, mirror = ''] = /mirror\]\]\nlocation = "([^"]+)"/.exec(text) ?? [];
    const [, ...name] = `${host}/${repository}`.replace(prefix, mirror).split('/');
    return { path: manifest(name.join('/'), undefined) };
  },
};

/** A snippet for an organization with an upstream of its own: some clients name that and no organization. */
async function snippetFor(id: string, { namespace = '', anonymousPull = true } = {}) {
  upstreams += 1;
  const host = `registry${upstreams}.example.com:${upstream.port}`;
  const address = `${host}${namespace}`;
  const settings = { upstream_registry: address, insecure: true, anonymous_pull: anonymousPull };
  const organization = await breakwater.proxyOrganization(settings);
  const facts = { registryUrl: breakwater.url, organization, upstream: address, anonymousPull };
  return { host, organization, text: clientSnippets(facts).find((each) => each.id === id)?.text ?? '' };
}

/** The status of the answer. */
async function pulled({ path, authorization }: ClientRequest): Promise<number> {
  const headers = authorization === undefined ? {} : { authorization };
  const { status } = await rawGet(`${breakwater.url}${path}`, { headers });
  return status;
}

describe.each(Object.entries(CLIENTS))('%s', (id, requestOf) => {
  test.each([
    ['a whole registry', '', 'team/app'],
    ['a namespace of one', '/prometheus', 'prometheus/app'],
  ])('pulls through an organization that proxies %s', async (_what, namespace, repository) => {
    const { host, text } = await snippetFor(id, { namespace });
    expect(await pulled(requestOf(text, host, repository))).toBe(200);
  });
});

test('containerd is let in with the credentials that its snippet gives it', async () => {
  const { host, organization, text } = await snippetFor('containerd', { anonymousPull: false });
  const path = `/api/v1/organization/${organization}/robots/puller`;
  const { status, body } = await breakwater.api('PUT', path, { role: 'read' });
  expect(status).toBe(201);
  const { name, token } = body as { readonly name: string; readonly token: string };
  const credentials = Buffer.from(`${name}:${token}`).toString('base64');
  const request = (given: string) => CLIENTS['containerd']?.(given, host, 'team/app') ?? { path: '/' };
  expect(await pulled(request(text))).toBe(401);
  expect(await pulled(request(text.replace('CREDENTIALS', credentials)))).toBe(200);
});
