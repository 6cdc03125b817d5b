import { expect, test } from '@jest/globals';
import { organizationPath, parseRoute, pathAfterSignIn } from './route.js';

test.each([
  ['/signin', { page: 'sign-in' }],
  ['/', { page: 'organizations' }],
  ['/organization', { page: 'organizations' }],
  ['/organization/', { page: 'organizations' }],
  ['/organization/lab', { page: 'organization', organization: 'lab' }],
  ['/organization/%zz', { page: 'organizations' }],
  ['/organization/lab/else', { page: 'organizations' }],
])('%s', (path, route) => {
  expect(parseRoute(path)).toEqual(route);
});

test('the address of an organization leads back to it', () => {
  expect(organizationPath('lab')).toBe('/organization/lab?tab=Settings');
  expect(parseRoute(organizationPath('a b').split('?')[0] ?? '')).toEqual({
    page: 'organization',
    organization: 'a b',
  });
});

test.each([
  ['?next=/organization/lab?tab=Settings', '/organization/lab?tab=Settings'],
  ['', '/organization'],
  ['?next=https://evil.example/organization', '/organization'],
  ['?next=//evil.example', '/organization'],
  ['?next=/organization//evil', '/organization'],
  ['?next=/organization/\\evil', '/organization'],
  ['?next=/api/v1/user/', '/organization'],
])('after signing in at %s: %s', (search, path) => {
  expect(pathAfterSignIn(search)).toBe(path);
});
