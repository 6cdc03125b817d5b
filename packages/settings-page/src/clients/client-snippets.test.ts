import { expect, test } from '@jest/globals';
import { clientSnippets } from './client-snippets.js';

const snippet = (id: string, facts = {}) =>
  clientSnippets({
    registryUrl: 'https://cache.example.com',
    organization: 'dockerhub',
    upstream: 'docker.io',
    anonymousPull: true,
    ...facts,
  }).find((each) => each.id === id);
const text = (id: string, facts = {}) => snippet(id, facts)?.text ?? '';

test('each client gets its own names for the registry, the organization and the upstream', () => {
  expect(text('docker')).toBe('docker pull cache.example.com/dockerhub/library/nginx:latest');
  expect(JSON.parse(text('docker-mirror'))).toEqual({
    'registry-mirrors': ['https://cache.example.com/dockerhub'],
  });
  expect(text('docker-mirror', { upstream: 'quay.io' })).toBe('');
  expect(text('docker-mirror', { upstream: 'docker.io/library' })).toBe('');
  expect(text('podman')).toContain('location = "cache.example.com/dockerhub"');
  expect(text('containerd')).toContain('server = "https://registry-1.docker.io"');
  expect(text('containerd')).toContain('[host."https://cache.example.com/v2/dockerhub"]');
  expect(text('buildkit')).toContain('mirrors = ["cache.example.com/dockerhub"]');
  expect(text('k3s')).toContain('"^(.*)$": "dockerhub/$1"');
});

test('by whichever of its names Docker Hub is proxied, its images are those of docker.io', () => {
  expect(snippet('containerd', { upstream: 'registry-1.docker.io' })).toEqual(snippet('containerd'));
});

test('a namespace of the upstream is what podman is told, its host what containerd files it under', () => {
  const facts = { upstream: 'quay.io/prometheus' };
  expect(text('docker', facts)).toContain('/dockerhub/prometheus:latest');
  expect(text('podman', facts)).toContain('prefix = "quay.io/prometheus"');
  expect(snippet('containerd', facts)?.place).toBe('/etc/containerd/certs.d/quay.io/hosts.toml');
  expect(text('containerd', facts)).toContain('server = "https://quay.io"');
  expect(text('docker', { upstream: 'quay.io/coreos' })).toContain('/dockerhub/app:latest');
});

test('plain http is said where the client needs it', () => {
  const plain = { registryUrl: 'http://127.0.0.1:5000' };
  expect(text('podman', plain)).toContain('insecure = true');
  expect(text('buildkit', plain)).toContain('http = true');
  expect(text('podman')).not.toContain('insecure');
});

test('where pulls need signing in, every client is told how, and none is set up to be refused', () => {
  const open = clientSnippets({
    registryUrl: 'https://cache.example.com',
    organization: 'dockerhub',
    upstream: 'docker.io',
    anonymousPull: true,
  });
  expect(JSON.stringify(open)).not.toMatch(/login|TOKEN|CREDENTIALS|puller/);
  const needsSignIn = { anonymousPull: false };
  expect(text('robot', needsSignIn)).toContain('/api/v1/organization/dockerhub/robots/puller');
  expect(snippet('docker-mirror', needsSignIn)).toMatchObject({
    text: undefined,
    note: expect.stringContaining('Not possible while pulls need signing in'),
  });
  for (const { id } of open.filter((each) => each.id !== 'docker-mirror')) {
    const said = JSON.stringify(snippet(id, needsSignIn));
    expect([id, said]).toEqual([id, expect.stringContaining('dockerhub+puller')]);
  }
});
