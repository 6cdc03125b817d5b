import { describe, expect, test } from '@jest/globals';
import { parseWayIn, renamed } from './way-in.js';

const way = (target: string, always = false) => parseWayIn(target, always);

describe('ways in', () => {
  test.each([
    '/v2/org/app/manifests/v1',
    '/v2/',
    '/v2',
    '/livez',
    '/api/v1/user/',
    '/v2/org/app/tags/list?n=3',
    '/v2x',
  ])('%s needs no thought', (target) => expect(way(target)).toBeUndefined());

  test.each([
    ['/v2/library/nginx/manifests/latest?ns=docker.io', { ns: 'docker.io', name: 'library/nginx' }],
    ['/v2/a/b/c/blobs/sha256:abc?ns=quay.io', { ns: 'quay.io', name: 'a/b/c' }],
    ['/v2/a/blobs/uploads/?ns=quay.io', { ns: 'quay.io', name: 'a' }],
    ['/v2/?ns=quay.io', { ns: 'quay.io', name: undefined }],
    ['/v2/a/b/tags/list?ns=quay.io&ns=docker.io', undefined],
    ['/dockerhub/v2/library/nginx/manifests/latest', { mount: 'dockerhub', name: 'library/nginx' }],
    ['/dockerhub/v2/', { mount: 'dockerhub', name: undefined, target: '/v2/' }],
    ['/dockerhub/v2', { mount: 'dockerhub', name: undefined, target: '/v2' }],
    ['/dockerhub/v2/auth?scope=x', { mount: 'dockerhub', name: undefined, target: '/v2/auth?scope=x' }],
  ])('%s', (target, expected) => {
    if (expected === undefined) expect(way(target)).toBeUndefined();
    else expect(way(target)).toMatchObject(expected);
  });

  test('with a default, plain names are read as well', () => {
    expect(way('/v2/nginx/manifests/latest', true)).toMatchObject({ name: 'nginx', ns: undefined });
    expect(way('/livez', true)).toBeUndefined();
  });

  test('another name takes the place of the one there is, and nothing else', () => {
    const mounted = way('/hub/v2/library/nginx/manifests/latest?ns=docker.io');
    expect(mounted && renamed(mounted, 'hub/library/nginx')).toBe(
      '/v2/hub/library/nginx/manifests/latest?ns=docker.io',
    );
  });
});
