import { expect, test } from '@jest/globals';
import { isAcceptableRealm } from './realm.js';

test.each([
  ['https://registry-1.docker.io', 'https://auth.docker.io/token', true],
  ['https://quay.io', 'https://quay.io/v2/auth', true],
  ['https://registry.example.com', 'https://registry.example.com:8443/token', true],
  ['https://registry.example.com', 'https://auth.example.com/token', true],
  ['https://registry.example.co.uk', 'https://auth.example.co.uk/token', true],
  ['http://127.0.0.1:5000', 'http://127.0.0.1:5001/token', true],
  ['http://registry.local', 'https://registry.local/token', true],
  ['https://registry.example.com', 'http://registry.example.com/token', false],
  ['https://registry-1.docker.io', 'http://auth.docker.io/token', false],
  ['https://registry-1.docker.io', 'https://auth.docker.io.evil.tld/token', false],
  ['https://registry-1.docker.io', 'https://docker.io.evil.tld/token', false],
  ['https://registry-1.docker.io', 'https://evil-docker.io/token', false],
  ['https://registry-1.docker.io', 'https://evil.tld/auth.docker.io', false],
  ['https://registry-1.docker.io', 'https://auth.docker.io@evil.tld/token', false],
  ['https://quay.io', 'https://user:secret@quay.io/token', false],
  ['https://registry.example.co.uk', 'https://evil.co.uk/token', false],
  ['https://one.github.io', 'https://other.github.io/token', false],
  ['https://one.s3.amazonaws.com', 'https://other.s3.amazonaws.com/token', false],
  ['https://192.0.2.1', 'https://192.0.2.2/token', false],
  ['https://registry.internal', 'https://auth.internal/token', false],
  ['https://registry.example.com', 'ftp://registry.example.com/token', false],
  ['http://registry.example.com', 'file://registry.example.com/token', false],
])('%s may send its clients to %s: %s', (origin, realm, expected) => {
  expect(isAcceptableRealm(origin, new URL(realm))).toBe(expected);
});

test.each([
  ['https://registry.example.com', 'https://login.example.net/token', true],
  ['https://registry.example.com:5000', 'https://login.example.net:8443/token', true],
  ['https://registry.example.com', 'http://login.example.net/token', false],
  ['https://registry.example.com', 'https://x.login.example.net/token', false],
  ['https://other.example.com', 'https://login.example.net/token', false],
])('with a pair that the operator adds, %s may send its clients to %s: %s', (origin, realm, expected) => {
  const added = [{ registry: 'registry.example.com', realm: 'login.example.net' }];
  expect(isAcceptableRealm(origin, new URL(realm), added)).toBe(expected);
});
