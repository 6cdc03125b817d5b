import type { RepositoryName } from '@breakwater/registry-core';
import { repositoryOf } from '@breakwater/test-kit';
import { describe, expect, test } from '@jest/globals';
import { cachedName, upstreamEndpoint } from './endpoint.js';

function endpoint(upstream: string, insecure = false) {
  const { origin, displayName, repositoryPath } = upstreamEndpoint({ upstream, insecure });
  const paths = ['nginx', 'grafana/grafana'].map((name) => repositoryPath(repositoryOf(`org/${name}`).name));
  return [origin, displayName, ...paths];
}

describe('endpoints', () => {
  test.each([
    ['docker.io', ['https://registry-1.docker.io', 'docker.io', 'library/nginx', 'grafana/grafana']],
    ['index.docker.io', ['https://registry-1.docker.io', 'index.docker.io', 'library/nginx', 'grafana/grafana']],
    ['docker.io/bitnami', ['https://registry-1.docker.io', 'docker.io', 'bitnami/nginx', 'bitnami/grafana/grafana']],
    ['docker.io:5000', ['https://docker.io:5000', 'docker.io', 'nginx', 'grafana/grafana']],
    ['quay.io', ['https://quay.io', 'quay.io', 'nginx', 'grafana/grafana']],
    ['quay.io:443', ['https://quay.io', 'quay.io', 'nginx', 'grafana/grafana']],
    ['quay.io/a/b', ['https://quay.io', 'quay.io', 'a/b/nginx', 'a/b/grafana/grafana']],
    ['[2001:db8::1]:5000', ['https://[2001:db8::1]:5000', '2001:db8::1', 'nginx', 'grafana/grafana']],
  ])('%s', (upstream, expected) => {
    expect(endpoint(upstream)).toEqual(expected);
  });

  test('plain http where the settings say so', () => {
    expect(endpoint('registry.local:80', true)[0]).toBe('http://registry.local');
  });

  // Names by the grammar of names, but not hosts by that of URLs: an IPv4 address that is none. Broken Punycode is one of
  // them up to Node 22; from Node 24 on it is a name like any other, which no name server knows.
  test.each(['1.2.3.4.5', '999.1.1.1', 'registry.0x', 'host.1', '[:::]', '[1::2::3]', 'http://quay.io', ''])(
    '%j is blocked, which is an outage and no bug of ours',
    (upstream) => {
      expect(() => upstreamEndpoint({ upstream, insecure: false })).toThrow(
        expect.objectContaining({ code: 'UPSTREAM_FAILED', failureClass: 'blocked' }),
      );
    },
  );
});

test('a repository of Docker Hub is kept under one name, one of anywhere else under its own', () => {
  const nginx = 'nginx' as RepositoryName;
  expect(cachedName('docker.io', nginx)).toBe('library/nginx');
  expect(cachedName('docker.io', 'grafana/grafana' as RepositoryName)).toBe('grafana/grafana');
  expect(cachedName('docker.io/library', nginx)).toBe('nginx');
  expect(cachedName('quay.io', nginx)).toBe('nginx');
});
