import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { listDecisions } from './decisions.mjs';

const folders = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function folderOf(pages) {
  const folder = mkdtempSync(join(tmpdir(), 'breakwater-decisions-'));
  folders.push(folder);
  for (const [name, text] of Object.entries(pages)) writeFileSync(join(folder, name), text);
  return folder;
}

test('a line for each page, by its number, without the template', () => {
  const folder = folderOf({
    '0002-b.md': '# 0002. The second\n\ntext',
    '0001-a.md': '# 0001. The first\n',
    '0000-template.md': '# 0000. A statement\n',
  });
  expect(listDecisions(folder)).toBe('- [The first](decisions/0001-a.md)\n- [The second](decisions/0002-b.md)');
});

test.each([
  ['two of one number', { '0001-a.md': '# 0001. A\n', '0001-b.md': '# 0001. B\n' }, /0001 is the number of 0001-a\.md/],
  ['a heading of another number', { '0001-a.md': '# 0002. A\n' }, /has to begin with "# 0001\. "/],
  ['a name without a number', { 'a.md': '# A\n' }, /call it NNNN-/],
])('refused: %s', (_what, pages, message) => {
  expect(() => listDecisions(folderOf(pages))).toThrow(message);
});
