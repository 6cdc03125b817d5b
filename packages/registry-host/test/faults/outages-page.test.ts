import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

import { allCases, sampledCases } from './cases.js';
import { markdownTable } from './markdown-table.js';
import { OUTAGES_COLUMNS, outagesTable } from './outages-table.js';
import { connectionRows } from './rows/connection-rows.js';
import { httpRows } from './rows/http-rows.js';
import { leftOut } from './rows/left-out.js';
import { originRows } from './rows/origin-rows.js';

const PAGE = fileURLToPath(new URL('../../../../docs/outages.md', import.meta.url));
const BEGIN = '<!-- the table of the fault tests -->';
const END = '<!-- end of the table -->';
/** Numbers that the fault matrix does not use up to F88, and those that are about lists and tests of their own. */
const NO_SUCH_ROW = [6, 11, 18, 24, 26, 48, 52, 53, 57, 62, 68, 77, 82, 88];

test('docs/outages.md has the table that is tested; BREAKWATER_WRITE_DOCS=1 writes it', () => {
  const page = readFileSync(PAGE, 'utf8');
  const parts = outagesTable().map(({ heading, rows }) => `### ${heading}\n\n${markdownTable(OUTAGES_COLUMNS, rows)}`);
  const meant = `${BEGIN}\n\n${parts.join('\n\n')}\n\n${END}`;
  const from = page.indexOf(BEGIN);
  const to = page.indexOf(END) + END.length;
  const isWriting = process.env['BREAKWATER_WRITE_DOCS'] === '1';
  if (isWriting) writeFileSync(PAGE, page.slice(0, from) + meant + page.slice(to));
  else expect(page.slice(from, to)).toBe(meant);
});

test('every fault from F1 to F88 is in the table, or it is said why not', () => {
  const known = [...connectionRows, ...httpRows, ...originRows, ...leftOut].map(({ id }) => Number(id.slice(1)));
  const numbers = Array.from({ length: 88 }, (_, n) => n + 1);
  expect(numbers.filter((n) => !known.includes(n))).toEqual(NO_SUCH_ROW);
});

test('the sample has every case of the product', () => {
  const rows = [connectionRows, httpRows, originRows].flatMap((part) => part.map((_, number) => number));
  const sampled = new Set(rows.flatMap((number) => sampledCases(number)));
  expect(sampled.size).toBe(allCases.length);
});
