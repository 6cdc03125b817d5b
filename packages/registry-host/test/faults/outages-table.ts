import type { Code, Expected, FaultRow } from './fault-row.js';
import { connectionRows } from './rows/connection-rows.js';
import { httpRows } from './rows/http-rows.js';
import { originRows } from './rows/origin-rows.js';

/** A part of the table in docs/outages.md: a heading, and its cells. */
export interface OutagesPart {
  readonly heading: string;
  readonly rows: readonly (readonly string[])[];
}

export const OUTAGES_COLUMNS = ['what happens', 'cached', 'lapsed', 'not cached', 'a blob that is missing', 'class'];

const WIDEST_LINE = 70;
const WORDS: Partial<Record<Code, string>> = {
  '=': 'as ever',
  '200': 'as ever',
  '200m': 'fetched',
  '200s': 'served, with a warning',
  '404m': '404',
  '404b': '404',
  '404n': '404',
};

/** The fault table as an operator reads it: what has the same consequences stands in one line. */
export function outagesTable(): readonly OutagesPart[] {
  return [
    { heading: 'Connections, names, certificates', rows: merged(connectionRows) },
    { heading: 'Answers', rows: merged(httpRows) },
    { heading: 'Content servers and token servers', rows: merged(originRows) },
  ];
}

function merged(rows: readonly FaultRow[]): readonly (readonly string[])[] {
  const byConsequence = new Map<string, { readonly titles: string[]; readonly cells: readonly string[] }>();
  for (const row of rows) {
    const reasons = typeof row.reason === 'string' ? [row.reason] : (row.reason ?? []);
    const isSeen = [row.A, row.B, row.D, row.digest, row.blob].some((each) => each !== undefined && each !== '=');
    const cells = [
      words(row.A),
      words(row.B),
      absent(row),
      words(row.blob),
      isSeen ? reasons.map((reason) => `\`${reason}\``).join(' or ') : '',
    ];
    const key = cells.join('\n');
    const known = byConsequence.get(key);
    if (known === undefined) byConsequence.set(key, { titles: [row.title], cells });
    else known.titles.push(row.title);
  }
  return [...byConsequence.values()].flatMap(({ titles, cells }) => inLines(titles).map((line) => [line, ...cells]));
}

/** By digest it may be otherwise: a tag that is gone does not take its manifest with it. */
function absent({ D, digest = D }: FaultRow): string {
  const [byTag, byDigest] = [words(D), words(digest)];
  return byTag === byDigest ? byTag : `${byTag}, by digest ${byDigest}`;
}

/** As many in a line as can be read in one. */
function inLines(titles: readonly string[]): readonly string[] {
  const lines: string[] = [];
  for (const title of titles) {
    const last = lines.at(-1);
    if (last === undefined || last.length + title.length > WIDEST_LINE) lines.push(title);
    else lines[lines.length - 1] = `${last}; ${title}`;
  }
  return lines;
}

function words(expected: Expected): string {
  const codes = typeof expected === 'string' ? [expected] : expected;
  return codes.map((code) => WORDS[code] ?? code).join(' or ');
}
