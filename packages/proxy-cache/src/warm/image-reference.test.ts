import { formatReference } from '@breakwater/registry-core';
import { repositoryOf } from '@breakwater/test-kit';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type ImageOwner, imageOf, parseImageName } from './image-reference.js';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const { organization } = repositoryOf('hub/x');

function imageIn(text: string, upstream: string, ownHost?: string): string {
  const name = parseImageName(text);
  if (name === undefined) return 'no name';
  const owner: ImageOwner = { organization, upstream, ownHost };
  const image = imageOf(name, owner);
  return 'problem' in image ? image.problem : `${image.repository} ${formatReference(image.reference)}`;
}

describe('the image that a name means', () => {
  test.each([
    ['nginx', 'docker.io', 'library/nginx latest'],
    ['nginx:1.27', 'docker.io', 'library/nginx 1.27'],
    ['bitnami/redis:7', 'docker.io', 'bitnami/redis 7'],
    ['docker.io/nginx', 'docker.io', 'library/nginx latest'],
    ['index.docker.io/library/nginx', 'registry-1.docker.io', 'library/nginx latest'],
    ['Quay.IO/prometheus/node-exporter:v1', 'quay.io', 'prometheus/node-exporter v1'],
    ['quay.io/prometheus/node-exporter:v1', 'quay.io/prometheus', 'node-exporter v1'],
    ['quay.io/other/x', 'quay.io/prometheus', 'it is not below quay.io/prometheus'],
    ['quay.io/prometheus/node-exporter', 'docker.io', 'it is of quay.io, not of docker.io'],
    ['nginx', 'quay.io', 'it is of docker.io, not of quay.io'],
    ['localhost:5000/a/b:c', 'localhost:5000', 'a/b c'],
    ['localhost/a', 'localhost:5000', 'it is of localhost, not of localhost:5000'],
    [`quay.io/a/b:v1@${DIGEST}`, 'quay.io', `a/b ${DIGEST}`],
    [`quay.io/a/b@${DIGEST}`, 'quay.io', `a/b ${DIGEST}`],
  ])('%s, of %s, is %s', (text, upstream, is) => {
    expect(imageIn(text, upstream)).toBe(is);
  });

  test('of this registry it is what stands below the organization', () => {
    expect(imageIn('cache.example:5000/hub/library/nginx:1', 'docker.io', 'Cache.example:5000')).toBe(
      'library/nginx 1',
    );
    expect(imageIn('cache.example:5000/other/nginx', 'docker.io', 'cache.example:5000')).toMatch(/^it is of cache/);
  });

  test.each([
    '',
    ':',
    '@',
    'a@b',
    `a@${DIGEST}@${DIGEST}`,
    'A/b',
    'a b',
    'a:',
    'a:-x',
    'quay.io/',
    `a@${DIGEST}0`,
    '../a',
  ])('%p is none', (text) => {
    expect(parseImageName(text)).toBeUndefined();
  });

  test('any text is an image or none', () => {
    fc.assert(fc.property(fc.string(), (text) => void imageIn(text, 'docker.io', 'x')));
  });
});
