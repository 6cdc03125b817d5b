import { expect, test } from '@jest/globals';
import { clientSnippets } from './client-snippets.js';

const text = (id: string, facts = {}) =>
  clientSnippets({
    registryUrl: 'https://cache.example.com',
    organization: 'dockerhub',
    upstream: 'docker.io',
    ...facts,
  }).find((each) => each.id === id)?.text ?? '';

test('each client gets its own names for the registry, the organization and the upstream', () => {
  expect(text('docker')).toContain('docker pull cache.example.com/dockerhub/library/nginx:latest');
  expect(JSON.parse(text('docker-mirror'))).toEqual({
    'registry-mirrors': ['https://cache.example.com/dockerhub'],
  });
  expect(text('docker-mirror', { upstream: 'quay.io' })).toBe('');
  expect(text('podman')).toContain('location = "cache.example.com/dockerhub"');
  expect(text('containerd')).toContain('server = "https://registry-1.docker.io"');
  expect(text('containerd')).toContain('[host."https://cache.example.com/v2/dockerhub"]');
  expect(text('buildkit')).toContain('mirrors = ["cache.example.com/dockerhub"]');
  expect(text('k3s')).toContain('"^(.*)$": "dockerhub/$1"');
  expect(text('kubernetes')).toContain('--docker-server=cache.example.com ');
});

test('a prefix of the upstream is what podman is told, its host what containerd files it under', () => {
  expect(text('podman', { upstream: 'quay.io/prometheus' })).toContain('prefix = "quay.io/prometheus"');
  expect(text('containerd', { upstream: 'quay.io/prometheus' })).toContain('server = "https://quay.io"');
});

test('plain http is said where the client needs it', () => {
  const plain = { registryUrl: 'http://127.0.0.1:5000' };
  expect(text('podman', plain)).toContain('insecure = true');
  expect(text('buildkit', plain)).toContain('http = true');
  expect(text('podman')).not.toContain('insecure');
});
