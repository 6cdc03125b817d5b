import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  formatReference,
  MAX_NAME_LENGTH,
  parseOrganizationName,
  parseReference,
  parseRepositoryName,
  parseTag,
  type Repository,
  repositoryKey,
} from './reference.js';

const LOWER = [...'abcdefghijklmnopqrstuvwxyz0123456789'];
const SEPARATORS = ['.', '_', '__', '-', '--', '---'];
const word = fc.string({ unit: fc.constantFrom(...LOWER), minLength: 1, maxLength: 6 });
const component = fc
  .tuple(word, fc.array(fc.tuple(fc.constantFrom(...SEPARATORS), word), { maxLength: 3 }))
  .map(([first, rest]) => first + rest.flat().join(''));
const name = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const TAG_FIRST = [...LOWER, ...'ABCXYZ_'];
const tag = fc
  .tuple(fc.constantFrom(...TAG_FIRST), fc.string({ unit: fc.constantFrom(...TAG_FIRST, '.', '-'), maxLength: 127 }))
  .map(([first, rest]) => first + rest);

/** The grammar of the distribution-spec, as it is printed there. */
const SPEC_NAME = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/;
const SPEC_TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
/** Text near the border of the grammar. */
const nearly = fc.string({ unit: fc.constantFrom(...'abZ09._-/:@%\n A\u00e9'), maxLength: 12 });

describe('names', () => {
  test('of the grammar are read as they are', () => {
    fc.assert(fc.property(name, (text) => expect(parseRepositoryName(text)).toBe(text)));
    fc.assert(fc.property(component, (text) => expect(parseOrganizationName(text)).toBe(text)));
  });

  test('are read exactly when the spec says so', () => {
    fc.assert(
      fc.property(nearly, (text) => {
        expect(parseRepositoryName(text) !== undefined).toBe(SPEC_NAME.test(text));
        expect(parseOrganizationName(text) !== undefined).toBe(SPEC_NAME.test(text) && !text.includes('/'));
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    '',
    '/',
    'a/',
    '/a',
    'a//b',
    'A',
    'a.',
    '.a',
    'a..b',
    'a___b',
    'a_.b',
    '-a',
    'a-',
    '..',
    'a/../b',
    'a%2fb',
    'a\n',
    'é',
  ])('outside the grammar are not: %j', (text) => {
    expect(parseRepositoryName(text)).toBeUndefined();
  });

  test('may be 255 characters long', () => {
    expect(parseRepositoryName('a'.repeat(MAX_NAME_LENGTH))).toBeDefined();
    expect(parseRepositoryName('a'.repeat(MAX_NAME_LENGTH + 1))).toBeUndefined();
    expect(parseOrganizationName('a'.repeat(MAX_NAME_LENGTH + 1))).toBeUndefined();
  });

  test('that would make a careless expression try for ever are refused at once', () => {
    const began = performance.now();
    for (const text of [`${'a-'.repeat(127)}!`, `${'-'.repeat(254)}!`, `a${'_'.repeat(253)}`, `${'a'.repeat(254)}!`]) {
      expect(parseRepositoryName(text)).toBeUndefined();
    }
    expect(performance.now() - began).toBeLessThan(500);
  });
});

describe('references', () => {
  test('are tags when they have the form of one', () => {
    fc.assert(
      fc.property(tag, (text) => {
        const reference = parseReference(text);
        expect(reference).toEqual({ kind: 'tag', tag: text });
        expect(reference && formatReference(reference)).toBe(text);
      }),
    );
  });

  test('are read as tags exactly when the spec says so', () => {
    fc.assert(
      fc.property(nearly, (text) => expect(parseTag(text) !== undefined).toBe(SPEC_TAG.test(text))),
      { numRuns: 2_000 },
    );
  });

  test('are digests when they have an algorithm', () => {
    const digest = `sha512:${'0'.repeat(128)}`;
    const reference = parseReference(digest);
    expect(reference).toEqual({ kind: 'digest', digest });
    expect(reference && formatReference(reference)).toBe(digest);
  });

  test('may be tags of 128 characters, and no more', () => {
    expect(parseReference('a'.repeat(128))).toBeDefined();
    expect(parseReference('a'.repeat(129))).toBeUndefined();
  });

  test.each(['', '.a', '-a', 'a:b', 'sha256:short', 'sha256:', 'a b', 'latest\n', '../x', 'é'])(
    'are nothing else: %j',
    (text) => {
      expect(parseReference(text)).toBeUndefined();
    },
  );
});

test('two repositories have the same key only when they are the same', () => {
  const repository = fc.record(
    { organization: component, name, upstream: fc.constantFrom('docker.io', 'docker.io/library', 'quay.io:443') },
    { requiredKeys: ['organization', 'name'] },
  ) as unknown as fc.Arbitrary<Repository>;
  fc.assert(
    fc.property(repository, repository, (one, other) => {
      const same =
        one.organization === other.organization && one.name === other.name && one.upstream === other.upstream;
      expect(repositoryKey(one) === repositoryKey(other)).toBe(same);
      expect(repositoryKey({ ...one })).toBe(repositoryKey(one));
    }),
  );
});
