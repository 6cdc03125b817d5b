import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nextLink } from './next-link.js';

const read = (header: string | undefined) => {
  const link = nextLink(header);
  return link === undefined ? undefined : `${link.pathname}?${link.searchParams}`;
};

describe('the next page', () => {
  test.each([
    ['</v2/a/tags/list?last=x>; rel="next"', '/v2/a/tags/list?last=x'],
    ['</v2/a/tags/list?last=x>; rel=next', '/v2/a/tags/list?last=x'],
    ['</v2/a/tags/list?last=x>;rel = "NEXT"', '/v2/a/tags/list?last=x'],
    ['<http://other.example/v2/a?last=x#y>; rel="next"', '/v2/a?last=x'],
    ['<?last=x>; rel="next"', '/?last=x'],
    ['</one>; rel="prev", </two?n=1>; title="a, b; c"; rel="last next"', '/two?n=1'],
    ['</a,b?n=1>; rel="next"', '/a,b?n=1'],
  ])('is in %s', (header, expected) => expect(read(header)).toBe(expected));

  test.each([undefined, '', '</one>; rel="prev"', '</one>; rel="nextcloud"', '</next>', 'garbage'])(
    'is not in %s',
    (header) => expect(read(header)).toBeUndefined(),
  );

  test.each(['</one; rel="next"', '<http://[>; rel="next"', 'rel=next', '</one> rel="next"'])(
    'cannot be read in %s, which is no end',
    (header) => {
      expect(() => read(header)).toThrow(expect.objectContaining({ failureClass: 'protocol', isOfContent: true }));
    },
  );

  test('whatever is sent, it is read, absent or a failure of the upstream, and soon', () => {
    const part = fc.constantFrom(
      '<',
      '>',
      '/v2/a?last=b',
      ';',
      ' ',
      'rel',
      '=',
      '"',
      'next',
      ',',
      '\\',
      'http://[',
      'x',
    );
    const header = fc.array(part, { maxLength: 40 }).map((parts) => parts.join(''));
    const readAnything = (sent: string) => {
      try {
        read(sent);
      } catch (error) {
        expect(error).toMatchObject({ code: 'UPSTREAM_FAILED', failureClass: 'protocol' });
      }
    };
    fc.assert(fc.property(fc.oneof(header, fc.string()), readAnything), { numRuns: 1_000 });
    const began = performance.now();
    for (const unit of ['<', '<>;', 'rel=', 'rel="', ' ', '<a>;a ', '<a>;a="', ';rel=']) {
      readAnything(`<a>${unit.repeat(16_384 / unit.length)}`);
    }
    expect(performance.now() - began).toBeLessThan(500);
  });
});
