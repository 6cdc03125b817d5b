import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseChallenges } from './challenge.js';

function read(header: string): unknown {
  return parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
}

describe('challenges', () => {
  test.each([
    ['', []],
    [' , ,', []],
    ['Basic', [['basic', {}]]],
    ['Basic realm="a registry"', [['basic', { realm: 'a registry' }]]],
    [
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull"',
      [
        [
          'bearer',
          {
            realm: 'https://auth.docker.io/token',
            service: 'registry.docker.io',
            scope: 'repository:library/nginx:pull',
          },
        ],
      ],
    ],
    ['BEARER Realm = "x" , SERVICE= y', [['bearer', { realm: 'x', service: 'y' }]]],
    ['Bearer realm="a, b \\"c\\" \\\\d"', [['bearer', { realm: 'a, b "c" \\d' }]]],
    [
      'Basic realm="one", Bearer realm="two",service="s"',
      [
        ['basic', { realm: 'one' }],
        ['bearer', { realm: 'two', service: 's' }],
      ],
    ],
    [
      'Bearer realm="two" Basic realm="one"',
      [
        ['bearer', { realm: 'two' }],
        ['basic', { realm: 'one' }],
      ],
    ],
    [
      'Negotiate, Bearer realm="x"',
      [
        ['negotiate', {}],
        ['bearer', { realm: 'x' }],
      ],
    ],
    [
      'Negotiate abc+/==, Bearer realm="x"',
      [
        ['negotiate', {}],
        ['bearer', { realm: 'x' }],
      ],
    ],
    ['Bearer realm="first",realm="second"', [['bearer', { realm: 'first' }]]],
    ['Bearer realm="never closed', [['bearer', {}]]],
    ['Bearer realm="x",service="open', [['bearer', { realm: 'x' }]]],
    ['Bearer realm="x" @@@ Basic realm="y"', [['bearer', { realm: 'x' }]]],
    ['Bearer error="invalid_token",realm=""', [['bearer', { error: 'invalid_token', realm: '' }]]],
  ])('%s', (header, expected) => {
    expect(read(header)).toEqual(expected);
  });

  test('whatever comes, it does not throw', () => {
    const piece = fc.oneof(
      fc.constantFrom('Bearer', 'Basic', ' ', ',', '=', '"', '\\', 'realm', '\t', '==', 'a68/+', ';'),
      fc.string({ maxLength: 5 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        for (const { scheme, parameters } of parseChallenges(pieces.join(''))) {
          expect(scheme).toBe(scheme.toLowerCase());
          expect(parameters.size).toBeLessThanOrEqual(32);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('what is quoted comes back as it was', () => {
    const text = fc.string({ unit: 'grapheme-ascii' });
    fc.assert(
      fc.property(text, text, (realm, service) => {
        const quote = (value: string) => `"${value.replace(/["\\]/g, '\\$&')}"`;
        expect(read(`Bearer realm=${quote(realm)}, service=${quote(service)}`)).toEqual([
          ['bearer', { realm, service }],
        ]);
      }),
    );
  });

  test('a header made to be read slowly is read quickly', () => {
    const started = performance.now();
    parseChallenges('a '.repeat(8_000));
    parseChallenges(`Bearer ${'a="b",'.repeat(3_000)}`);
    parseChallenges('A'.repeat(16_000));
    parseChallenges(`Bearer realm="${'\\'.repeat(16_000)}`);
    expect(performance.now() - started).toBeLessThan(500);
  });
});
