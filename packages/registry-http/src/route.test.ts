import { formatReference } from '@breakwater/registry-core';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseRegistryRoute } from './route.js';

const SHA256 = `sha256:${'0a'.repeat(32)}`;
const SHA512 = `sha512:${'0a'.repeat(64)}`;

const word = fc.stringMatching(/^[a-z0-9]{1,8}$/);
const component = fc
  .tuple(word, fc.array(fc.tuple(fc.constantFrom('.', '_', '__', '-', '---'), word), { maxLength: 2 }))
  .map(([first, rest]) => first + rest.map((pair) => pair.join('')).join(''));
const repository = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const tag = fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}$/);
const hex = (length: number) => fc.stringMatching(new RegExp(`^[a-f0-9]{${length}}$`));
const digest = fc.oneof(
  hex(64).map((text) => `sha256:${text}`),
  hex(128).map((text) => `sha512:${text}`),
);

/** A text with a label that fits a line. */
function labelled(text: string): readonly [label: string, text: string] {
  return [text.length > 40 ? `${text.slice(0, 40)}… (${text.length})` : text, text];
}

/** What a target is refused with, or the kind of the route. */
function outcome(target: string): string {
  const route = parseRegistryRoute(target);
  if (route === undefined) return 'not ours';
  return route.kind === 'invalid' ? `${route.error.status} ${route.error.code}` : route.kind;
}

describe('what is understood', () => {
  test('organization, repository and reference come back as they were sent', () => {
    fc.assert(
      fc.property(component, repository, fc.oneof(tag, digest), (organization, name, reference) => {
        expect(parseRegistryRoute(`/v2/${organization}/${name}/manifests/${reference}`)).toEqual({
          kind: 'manifest',
          organization,
          repository: name,
          reference: reference.includes(':') ? { kind: 'digest', digest: reference } : { kind: 'tag', tag: reference },
        });
      }),
    );
  });

  test('one target, one route: two routes that are equal came from the same parts', () => {
    const target = fc.tuple(component, repository, tag).map((parts) => ({
      parts: parts.join('\n'),
      route: JSON.stringify(parseRegistryRoute(`/v2/${parts[0]}/${parts[1]}/manifests/${parts[2]}`)),
    }));
    fc.assert(
      fc.property(target, target, (one, other) => {
        expect(one.route === other.route).toBe(one.parts === other.parts);
      }),
    );
  });

  test.each([
    ['/v2', 'base'],
    ['/v2/', 'base'],
    ['/v2/?x=1', 'base'],
    [`/v2/org/app/blobs/${SHA256}`, 'blob'],
    [`/v2/org/app/blobs/${SHA512}`, 'blob'],
    [`/v2/org/a/b/c/manifests/${SHA256}?ns=docker.io`, 'manifest'],
    ['/v2/org/app/tags/list?n=1', 'tags'],
    [`/v2/org/app/referrers/${SHA256}?artifactType=x`, 'referrers'],
    ['/v2/org/app/blobs/uploads', 'upload'],
    ['/v2/org/app/blobs/uploads/', 'upload'],
    ['/v2/org/app/blobs/uploads/id?digest=x', 'upload'],
    ['/v2/org/blobs/uploads/tags/list', 'tags'],
    ['/v2/org/manifests/manifests/v1', 'manifest'],
    ['/v2/org/tags/list/tags/list', 'tags'],
  ])('%s is %s', (target, kind) => {
    expect(outcome(target)).toBe(kind);
  });

  test('a repository may be called as a part of a path is', () => {
    expect(parseRegistryRoute('/v2/org/blobs/manifests/manifests/v1')).toMatchObject({
      organization: 'org',
      repository: 'blobs/manifests',
    });
  });

  test('the colon of a digest may be encoded, since some clients do that', () => {
    const plain = parseRegistryRoute(`/v2/org/app/blobs/${SHA256}`);
    expect(parseRegistryRoute(`/v2/org/app/blobs/${SHA256.replace(':', '%3A')}`)).toEqual(plain);
    expect(parseRegistryRoute(`/v2/org/app/blobs/${SHA256.replace(':', '%3a')}`)).toEqual(plain);
    expect(outcome(`/v2/org/app/manifests/${SHA256.replace(':', '%3A')}`)).toBe('manifest');
  });

  test.each(['/', '/v1/org/app/manifests/v1', '/v20/', '/v2foo', '//v2/org/app/manifests/v1', '', 'http://h/v2/'])(
    '%j is for somebody else',
    (target) => {
      expect(parseRegistryRoute(target)).toBeUndefined();
    },
  );
});

describe('S20: a name has one spelling, and nothing is decoded', () => {
  test.each(
    [
      'org%2Fapp',
      'org/%61pp',
      'org/app%00',
      'org/app\0',
      'org/app\\x',
      'org/app;x',
      'org/../app',
      'org/..',
      '../org/app',
      './org/app',
      'org/./app',
      'org//app',
      '/org/app',
      'org/app/',
      'Org/app',
      'org/App',
      'org/a__ _b',
      'org/-app',
      'org/app-',
      'org/a..b',
      'org/a___b',
      'org/äpp',
      'org/app:1',
      `org/${'a'.repeat(255)}`,
      `${'a/'.repeat(5_000)}a`,
      'a'.repeat(10 * 1024),
      `${'a-'.repeat(5_000)}/app`,
    ].map(labelled),
  )('%j is no name', (_label, name) => {
    expect(outcome(`/v2/${name}/manifests/v1`)).toBe('400 NAME_INVALID');
    expect(outcome(`/v2/${name}/blobs/${SHA256}`)).toBe('400 NAME_INVALID');
    expect(outcome(`/v2/${name}/tags/list`)).toBe('400 NAME_INVALID');
    expect(outcome(`/v2/${name}/blobs/uploads/`)).toBe('400 NAME_INVALID');
  });

  test('255 characters are a name', () => {
    expect(outcome(`/v2/org/${'a'.repeat(251)}/manifests/v1`)).toBe('manifest');
    expect(outcome(`/v2/org/${'a'.repeat(252)}/manifests/v1`)).toBe('400 NAME_INVALID');
  });

  test('a name of one part is not one of ours', () => {
    expect(outcome('/v2/app/manifests/v1')).toBe('404 NAME_UNKNOWN');
  });

  test.each([
    ['a%2Fb', '400 NAME_INVALID'],
    ['.hidden', '404 MANIFEST_UNKNOWN'],
    ['..', '400 NAME_INVALID'],
    ['', '404 MANIFEST_UNKNOWN'],
    ['a'.repeat(129), '404 MANIFEST_UNKNOWN'],
    ['v1%00', '400 NAME_INVALID'],
    ['sha256:short', '400 DIGEST_INVALID'],
    [SHA256.toUpperCase(), '400 DIGEST_INVALID'],
    [`md5:${'0'.repeat(32)}`, '400 DIGEST_INVALID'],
    [`sha256%253A${'0'.repeat(64)}`, '400 NAME_INVALID'],
  ])('reference %j is answered with %s', (reference, expected) => {
    expect(outcome(`/v2/org/app/manifests/${reference}`)).toBe(expected);
  });

  test.each(['v1', 'sha256:', `sha256:${'g'.repeat(64)}`, `sha256::${'0'.repeat(64)}`])(
    'blob %j is no digest',
    (text) => {
      expect(outcome(`/v2/org/app/blobs/${text}`)).toBe('400 DIGEST_INVALID');
    },
  );

  test('never throws, and lets nothing through that is not by the grammar', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '/',
        'v2',
        '/v2/',
        'manifests',
        'blobs',
        'uploads',
        'tags/list',
        'referrers',
        '..',
        '%',
        '?',
        ':',
      ),
      fc.constantFrom('%2F', '%3A', '%00', '\0', '\\', ';', 'org', 'app', SHA256, '//', 'A', '\n', '\u2028'),
      fc.string({ unit: 'binary', maxLength: 10 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const route = parseRegistryRoute(`/v2/${pieces.join('')}`);
        if (route === undefined || !('organization' in route)) return;
        expect(`${route.organization}/${route.repository}`).toMatch(/^[a-z0-9]+(?:(?:\.|__?|-+|\/)[a-z0-9]+)+$/);
      }),
      { numRuns: 2_000 },
    );
  });

  test('a name made to be read slowly is read quickly', () => {
    const started = performance.now();
    outcome(`/v2/${'a-'.repeat(4_000)}!/manifests/v1`);
    outcome(`/v2/${'/manifests'.repeat(1_500)}/x`);
    outcome(`/v2/org/${'a'.repeat(16_000)}!/tags/list`);
    expect(performance.now() - started).toBeLessThan(200);
  });
});

describe('a path is one thing to everybody who reads it (S20)', () => {
  test.each([
    '/v2/org/%61pp/manifests/v1',
    '/v2/org/app/manifests/v%31',
    '/v2/org/app/manifests/v1%00',
    '/v2/org/app/manifests/..%2f..%2fother',
    '/v2/org/app\\manifests/v1',
    '/v2/org/app;x=1/manifests/v1',
    '/v2/org/app/manifests/v1;x',
    '/v2/org//app/manifests/v1',
    '/v2//org/app/manifests/v1',
    '/v2/org/./app/manifests/v1',
    '/v2/org/../app/manifests/v1',
    '/v2/org/app/manifests/..',
    '/v2/../v2/org/app/tags/list',
    '/v2/org/app/manifests/v1\0',
    '/v2/org/äpp/manifests/v1',
    '/v2/org/App/manifests/v1',
    '/v2/%6frg/app/nothing',
  ])('%j is no name', (target) => {
    expect(outcome(target)).toBe('400 NAME_INVALID');
  });

  test('what is taken says all that stood there, and nothing else', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'org',
        'app',
        'a.b',
        'A',
        '..',
        '.',
        '%2e',
        '%3A',
        '%3a',
        ';',
        '\\',
        '',
        'v1',
        SHA256,
        SHA256.replace(':', '%3A'),
      ),
      fc.string({ maxLength: 5 }),
    );
    fc.assert(
      fc.property(
        fc.array(piece, { minLength: 2, maxLength: 5 }),
        fc.constantFrom('manifests', 'blobs', 'referrers'),
        piece,
        (names, collection, reference) => {
          const target = `/v2/${names.join('/')}/${collection}/${reference}`;
          const route = parseRegistryRoute(target);
          if (route === undefined || !('organization' in route)) return;
          if (route.kind !== 'manifest' && route.kind !== 'blob' && route.kind !== 'referrers') return;
          const text = route.kind === 'manifest' ? formatReference(route.reference) : route.digest;
          const path = target.split('?')[0] ?? '';
          const kind = route.kind === 'referrers' ? 'referrers' : `${route.kind}s`;
          expect(`/v2/${route.organization}/${route.repository}/${kind}/${text}`).toBe(path.replace(/%3a/i, ':'));
        },
      ),
    );
  });
});
