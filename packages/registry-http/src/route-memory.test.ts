import { describe, expect, test } from '@jest/globals';
import { parseRegistryRoute } from './route.js';
import { RouteMemory } from './route-memory.js';

describe('a memory of routes', () => {
  test.each([
    '/v2/org/app/manifests/latest',
    `/v2/org/app/manifests/sha256%3A${'0a'.repeat(32)}`,
    `/v2/org/app/manifests/latest?${'x'.repeat(600)}`,
    `/v2/org/app/blobs/sha256:${'0a'.repeat(32)}`,
    '/v2/org/app/tags/list?n=3',
    '/v2/org/app/manifests/-',
    '/v2/',
    '/elsewhere',
  ])('says what the parser says, every time: %s', (target) => {
    const routes = new RouteMemory();
    for (let time = 0; time < 2; time += 1) expect(routes.parse(target)).toEqual(parseRegistryRoute(target));
  });

  test('a manifest is parsed once, other things each time', () => {
    const routes = new RouteMemory();
    const manifest = '/v2/org/app/manifests/latest';
    const blob = `/v2/org/app/blobs/sha256:${'0a'.repeat(32)}`;
    expect(routes.parse(manifest)).toBe(routes.parse(manifest));
    expect(routes.parse(blob)).not.toBe(routes.parse(blob));
  });

  test('what many ask for is not remembered without bound, and stays right', () => {
    const routes = new RouteMemory();
    const target = (index: number) => `/v2/org/app/manifests/tag-${index}`;
    const first = routes.parse(target(0));
    for (let index = 1; index <= 4_096; index += 1) routes.parse(target(index));
    expect(routes.parse(target(0))).not.toBe(first);
    expect(routes.parse(target(0))).toEqual(first);
  });
});
