import { repositoryOf } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import { NameResolver, type ProxiedUpstream } from './name-resolver.js';

const organization = (name: string) => repositoryOf(`${name}/x`).organization;

function resolver(proxying: Readonly<Record<string, string>>, defaultOrganization?: string) {
  const asked: (readonly string[])[] = [];
  let failing = false;
  let now = 0;
  const names = new NameResolver({
    settings: { find: async () => undefined },
    organizations: { exists: async (name) => Object.keys(proxying).includes(name) || name === 'hosted' },
    async proxying(hosts): Promise<readonly ProxiedUpstream[]> {
      asked.push(hosts);
      if (failing) throw new Error('the database is away');
      return Object.entries(proxying)
        .filter(([, upstream]) => hosts.includes(upstream.split('/')[0] ?? ''))
        .map(([name, upstream]) => ({ organization: organization(name), upstream }));
    },
    defaultOrganization: defaultOrganization === undefined ? undefined : organization(defaultOrganization),
    monotonic: { now: () => now },
  });
  return { names, asked, fail: () => (failing = true), pass: (ms: number) => (now += ms) };
}

test('Docker Hub has three names', async () => {
  const { names } = resolver({ hub: 'docker.io' });
  for (const ns of ['docker.io', 'DOCKER.io', 'index.docker.io', 'registry-1.docker.io']) {
    expect(await names.byNamespace(ns, 'library/nginx')).toBe('hub/library/nginx');
  }
  expect(await names.byNamespace('docker.io:443', 'library/nginx')).toBeUndefined();
});

test('of several organizations the nearest is meant, then the default one, then the first', async () => {
  const upstreams = { alpha: 'docker.io', beta: 'docker.io', official: 'docker.io/library' };
  expect(await resolver(upstreams).names.byNamespace('docker.io', 'library/nginx')).toBe('official/nginx');
  expect(await resolver(upstreams).names.byNamespace('docker.io', 'bitnami/nginx')).toBe('alpha/bitnami/nginx');
  expect(await resolver(upstreams, 'beta').names.byNamespace('docker.io', 'bitnami/nginx')).toBe('beta/bitnami/nginx');
  expect(await resolver(upstreams).names.byNamespace('docker.io', 'librarymore/nginx')).toBe('alpha/librarymore/nginx');
});

test('what was looked up goes on while the database is away', async () => {
  const { names, asked, fail, pass } = resolver({ hub: 'docker.io' });
  await names.byNamespace('docker.io', 'library/nginx');
  await names.byNamespace('docker.io', 'library/redis');
  expect(asked.length).toBe(1);
  fail();
  pass(10_000);
  expect(await names.byNamespace('docker.io', 'library/redis')).toBe('hub/library/redis');
  await expect(names.byNamespace('quay.io', 'a/b')).rejects.toThrow('away');
});

test('a name that begins with an organization is what it says', async () => {
  const { names } = resolver({ hub: 'docker.io' }, 'hub');
  expect(await names.byPath('hosted/app')).toBe('hosted/app');
  expect(await names.byPath('hosted')).toBe('hub/hosted');
  expect(await names.byPath('nginx')).toBe('hub/nginx');
  expect(await names.byNamespace('docker.io', 'hosted/app')).toBeUndefined();
});
