import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ROOT } from './lib/root.mjs';

// What is published: every package is whole by itself, and alike.

const read = (...path) => readFileSync(join(ROOT, ...path), 'utf8');
const published = readdirSync(join(ROOT, 'packages'))
  .map((name) => [name, JSON.parse(read('packages', name, 'package.json'))])
  .filter(([, manifest]) => manifest.private !== true);

describe.each(published)('%s', (name, manifest) => {
  test('has a README and the licence', () => {
    expect(existsSync(join(ROOT, 'packages', name, 'README.md'))).toBe(true);
    expect(read('packages', name, 'LICENSE')).toBe(read('LICENSE'));
    expect(manifest.license).toBe('Apache-2.0');
  });

  test('is ES modules with their types, for the versions of node that all are for', () => {
    expect(manifest.type).toBe('module');
    expect(manifest.engines).toEqual({ node: '>=20.19' });
    expect(Object.keys(manifest.exports['.'])).toEqual(['types', 'default']);
    expect(manifest.exports['./package.json']).toBe('./package.json');
    expect(manifest).toHaveProperty('sideEffects');
  });

  test('ships the sources that its maps point to, and no tests', () => {
    expect(manifest.files).toEqual(expect.arrayContaining(['dist', 'src', '!dist/**/*.test.*', '!src/**/*.test.*']));
  });

  test('asks for exact versions of what it brings, and for ranges of what its host has', () => {
    for (const version of Object.values(manifest.dependencies ?? {})) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    for (const version of Object.values(manifest.peerDependencies ?? {})) expect(version).toMatch(/^\^/);
  });
});
