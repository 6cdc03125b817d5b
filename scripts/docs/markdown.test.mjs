import { describe, expect, test } from '@jest/globals';
import { deadLinks, fill, headingsOf, partsOf, table } from './markdown.mjs';

test('a table has columns as wide as their widest cell', () => {
  expect(table(['a', 'b'], [['long', 'x|y']])).toBe('| a    | b    |\n| ---- | ---- |\n| long | x\\|y |');
});

describe('parts', () => {
  const page = 'before\n\n<!-- generated: one -->\n\nold\n\n<!-- end -->\n\nafter\n';

  test('are replaced between their markers only', () => {
    expect(fill(page, { one: 'new' })).toBe(page.replace('old', 'new'));
    expect(partsOf(page)).toEqual(['one']);
  });

  test('that are not there are an error', () => {
    expect(() => fill(page, {})).toThrow('there is no generated part "one"');
  });
});

describe('links', () => {
  const exists = (path) => path === 'docs/there.md';
  const headings = () => headingsOf('# What is *there*?\n');
  const dead = (page) => deadLinks('docs/here.md', page, exists, headings);

  test('to files and headings that are there are fine', () => {
    expect(dead('[a](there.md) [b](there.md#what-is-there) [c](https://example.com/x) `[d](no.md)`')).toEqual([]);
  });

  test('that lead nowhere are named', () => {
    expect(dead('[a](gone.md) [b](there.md#gone)')).toEqual([
      'docs/here.md: gone.md leads nowhere',
      'docs/here.md: there.md#gone has no such heading',
    ]);
  });
});
