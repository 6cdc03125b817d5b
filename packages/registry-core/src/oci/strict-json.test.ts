import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseStrictJson } from './strict-json.js';

const LIMITS = { depth: 32, tokens: 100_000 };
const REFUSED = { name: 'RegistryError', code: 'MANIFEST_INVALID' };

function parse(text: string | Uint8Array, limits = LIMITS, keys: readonly string[] = ['size', 'mediaType']): unknown {
  return parseStrictJson(typeof text === 'string' ? Buffer.from(text) : text, limits, keys);
}

/** What the reader throws, for a look at the message. */
function refusal(text: string | Uint8Array, limits = LIMITS): unknown {
  try {
    return { read: parse(text, limits) };
  } catch (error) {
    return error;
  }
}

describe('strict JSON', () => {
  test('reads what JSON.parse reads', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), fc.constantFrom(undefined, 2), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        expect(parse(text, LIMITS, [])).toEqual(JSON.parse(text));
      }),
    );
  });

  test('reads nothing that JSON.parse does not', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"\\u0061"',
      '1',
      'null',
      '"',
      '\\',
      ' ',
      '//',
      "'",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('');
        let legal = true;
        try {
          JSON.parse(text);
        } catch {
          legal = false;
        }
        const result = refusal(text);
        if (!legal) expect(result).toMatchObject(REFUSED);
      }),
      { numRuns: 3_000 },
    );
  });

  test.each([
    ['nothing', ''],
    ['trailing bytes', '{} x'],
    ['a second document', '{}{}'],
    ['a NUL at the end', '{}\0'],
    ['a comment', '{}//'],
    ['a trailing comma', '{"a":1,}'],
    ['a string that does not end', '{"a'],
    ['a string that ends in a backslash', '"\\'],
    ['a key with a broken escape', '{"\\x":1}'],
    ['a raw line feed in a string', '"\n"'],
    ['NaN', '{"a":NaN}'],
    ['an array that ends as an object', '[1}'],
  ])('refuses %s', (_what, text) => {
    expect(refusal(text)).toMatchObject({ ...REFUSED, message: 'the manifest is not valid JSON' });
  });

  test('refuses a byte order mark and every encoding but UTF-8', () => {
    expect(refusal(Buffer.from('\ufeff{}'))).toMatchObject({
      ...REFUSED,
      message: expect.stringContaining('byte order mark') as never as string,
    });
    expect(refusal(Buffer.from('{}', 'utf16le'))).toMatchObject(REFUSED);
    expect(refusal(Buffer.from('\ufeff{}', 'utf16le'))).toMatchObject({ message: 'the manifest is not UTF-8' });
    expect(refusal(Buffer.from([0x22, 0xff, 0x22]))).toMatchObject({ message: 'the manifest is not UTF-8' });
    // Overlong, and a surrogate: not UTF-8 either, though lenient decoders take them.
    expect(refusal(Buffer.from([0x22, 0xc0, 0xaf, 0x22]))).toMatchObject({ message: 'the manifest is not UTF-8' });
    expect(refusal(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))).toMatchObject({
      message: 'the manifest is not UTF-8',
    });
  });

  test.each([
    ['a key twice', '{"a":1,"a":1}'],
    ['a key twice, once escaped', '{"a":1,"\\u0061":2}'],
    ['a key twice, with a nested object between', '{"a":{"b":1},"c":[{}],"a":1}'],
    ['a key twice inside annotations', '{"annotations":{"a":"1","a":"2"}}'],
    ['a key twice inside an array', '[[{"a":1,"a":2}]]'],
    ['__proto__ twice', '{"__proto__":1,"__proto__":2}'],
  ])('refuses %s', (_what, text) => {
    expect(refusal(text)).toMatchObject({ ...REFUSED, message: expect.stringContaining('twice') as never as string });
  });

  test.each(['Size', 'SIZE', 'sIze', '\u017fize', 'si\\u007Ae_', 'MediaType', 'mediatype'])(
    'refuses the key %s, which a reader that folds case could take for another one',
    (key) => {
      const text = `{"${key}":1}`;
      if (key.endsWith('_')) expect(parse(text)).toEqual({ size_: 1 });
      else
        expect(refusal(text)).toMatchObject({
          ...REFUSED,
          message: expect.stringContaining('take for') as never as string,
        });
    },
  );

  test('lets annotations have any key, and nothing beside or behind them', () => {
    expect(parse('{"annotations":{"Size":"1","x":[{"SIZE":1}]}}')).toBeDefined();
    expect(parse('{"annotations":{"SIZE":1},"size":1}')).toBeDefined();
    expect(refusal('{"annotations":{},"x":{"Size":1}}')).toMatchObject(REFUSED);
    expect(refusal('{"annotations":"x","Size":1}')).toMatchObject(REFUSED);
    expect(refusal('{"x":"annotations","y":{"Size":1}}')).toMatchObject(REFUSED);
    expect(refusal('["annotations",{"Size":1}]')).toMatchObject(REFUSED);
  });

  test('the same key may stand in different objects', () => {
    expect(parse('[{"a":1},{"a":{"a":[{"a":1}]}}]')).toEqual([{ a: 1 }, { a: { a: [{ a: 1 }] } }]);
  });

  test('counts depth and values, and stops at the limit, not behind it', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(parse(nested(32))).toBeDefined();
    expect(refusal(nested(33))).toMatchObject({ message: 'the manifest nests deeper than 32 levels' });
    expect(refusal(`{"a":${'{"a":'.repeat(32)}1${'}'.repeat(33)}`)).toMatchObject(REFUSED);
    const few = { depth: 32, tokens: 10 };
    expect(parse('[1,2,3,4,5,6,7,8,9]', few)).toHaveLength(9);
    expect(refusal(`[${'1,'.repeat(20)}1]`, few)).toMatchObject({ message: 'the manifest has more than 10 values' });
    expect(refusal(`{${[...'abcdefghijk'].map((key) => `"${key}":1`).join()}}`, few)).toMatchObject(REFUSED);
  });

  test('brackets and quotes inside strings are text', () => {
    const tricky = '[[{{"\\"}]],:\\\\';
    expect(parse(JSON.stringify({ [tricky]: tricky }), { depth: 1, tokens: 4 })).toEqual({ [tricky]: tricky });
  });

  test('4 MiB of whatever is worst are read or refused in a time that does not grow with the square', () => {
    const size = 4 * 1024 * 1024;
    const worst = [
      '['.repeat(size),
      `[${'0,'.repeat(size / 2 - 1)}0]`,
      `"${'\\"'.repeat(size / 2 - 1)}"`,
      `"${'x'.repeat(size - 2)}`,
      `{"${'\\u0061'.repeat(size / 6 - 2)}":1}`,
      `{${Array.from({ length: 30_000 }, (_, index) => `"${'k'.repeat(120)}${index}":1`).join()}}`,
      `{${Array.from({ length: 30_000 }, (_, index) => `"\\u0053ize${'k'.repeat(100)}${index}":1`).join()}}`,
      `${' '.repeat(size - 2)}{}`,
      '1'.repeat(size),
      ':'.repeat(size),
    ];
    for (const text of worst) {
      const began = performance.now();
      refusal(text);
      // About 50 ms here; with one look back per byte it would be hours.
      expect(performance.now() - began).toBeLessThan(2_500);
    }
  });
});
