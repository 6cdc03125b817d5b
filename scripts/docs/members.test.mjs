import { expect, test } from '@jest/globals';
import { membersTable } from './members.mjs';

const SOURCE = `
export interface Options {
  /** One. */
  readonly one: string;
  /**
   * Two, over
   * two lines | with a bar.
   * @throws RangeError
   */
  readonly two?: Partial<Record<string, { readonly three: number }>>;
}

export interface Doing {
  /** It goes. */
  go(way: string): Promise<void>;
}

export interface Silent {
  readonly nothing: string;
}
`;

test('members are told with their docstrings, in one line, without tags', () => {
  const cells = (line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim());
  expect(membersTable(SOURCE, 'Options').split('\n').slice(2).map(cells)).toEqual([
    ['`one`', '', 'One'],
    ['`two`', 'optional', 'Two, over two lines \\| with a bar'],
  ]);
  expect(membersTable(SOURCE, 'Doing')).toContain('| `go()` | It goes |');
});

test('a member without a docstring, and an interface that is not there, are errors', () => {
  expect(() => membersTable(SOURCE, 'Silent')).toThrow('Silent.nothing has no docstring');
  expect(() => membersTable(SOURCE, 'Other')).toThrow('there is no interface Other');
});
