import { repositoryOf } from '@breakwater/test-kit';
import { describe, expect, test } from '@jest/globals';
import { allows, type GrantedAction, parseScopes } from './grant.js';

describe('scopes', () => {
  test.each([
    [['repository:org/app:pull'], [{ name: 'org/app', actions: ['pull'] }]],
    [
      ['repository:org/app:pull repository:library/nginx:pull'],
      [
        { name: 'org/app', actions: ['pull'] },
        { name: 'library/nginx', actions: ['pull'] },
      ],
    ],
    [['repository:org/app:push,pull'], [{ name: 'org/app', actions: ['pull', 'push'] }]],
    [['repository:org/app:*'], [{ name: 'org/app', actions: ['pull', 'push', 'delete'] }]],
    [['repository(plugin):org/app:pull'], [{ name: 'org/app', actions: ['pull'] }]],
    [['repository:host:5000/app:pull'], [{ name: 'host:5000/app', actions: ['pull'] }]],
    [['registry:catalog:*', 'repository:org/app:mystery', 'repository::pull', 'nonsense', ''], []],
  ])('%p', (given, expected) => {
    expect(parseScopes(given)).toEqual(expected);
  });

  test('no more than a hundred are read', () => {
    expect(parseScopes(Array.from({ length: 1_000 }, () => 'repository:org/app:pull')).length).toBe(100);
  });

  test('long ones, which no repository needs, are left out unread', () => {
    const named = (length: number) => `repository:${'a'.repeat(length - 'repository::pull'.length)}:pull`;
    expect(parseScopes([named(512)])).toHaveLength(1);
    expect(parseScopes([named(513), `repository:${':'.repeat(60_000)}:pull`])).toEqual([]);
  });
});

test('a grant is for one repository and its actions', () => {
  const { organization, name } = repositoryOf('org/app');
  const grants = [{ type: 'repository', name: 'org/app', actions: ['pull'] }] as const;
  expect(allows(grants, 'pull', organization, name)).toBe(true);
  for (const action of ['push', 'delete', 'administer', 'read-settings', 'write-settings'] as const) {
    expect(allows(grants, action, organization, name)).toBe(false);
  }
  expect(allows(grants, 'pull', organization, repositoryOf('org/app2').name)).toBe(false);
  const asked = (...actions: GrantedAction[]) => [{ type: 'repository', name: 'org/app', actions }] as const;
  for (const [grant, action] of [
    [asked('pull', 'push'), 'delete'],
    [asked('pull', 'delete'), 'push'],
    [asked('push', 'delete'), 'pull'],
  ] as const) {
    expect(allows(grant, action, organization, name)).toBe(false);
  }
  expect(allows(grants, 'pull', repositoryOf('or/app').organization, name)).toBe(false);
});
