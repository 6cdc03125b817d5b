import { table } from './markdown.mjs';

// The results of the whole fault matrix: gathered from what the suite wrote, kept in docs/results/, shown in the README.

/** What a client got, by the state of what it asked for. */
const STATES = [
  ['cached', (each) => each.state === 'A' && each.by === 'tag'],
  ['lapsed', (each) => each.state === 'B' && each.by === 'tag'],
  ['absent', (each) => each.state === 'D' && each.by === 'tag'],
  ['blob', (each) => each.kind === 'blob' && (each.state === 'C' || each.state === 'D')],
];
const EXAMPLES = 3;

/** The results of one run, short enough to be kept: `parts` are the files of the suite, the others those of the other ones. */
export function gatherResults(parts, flap, facts, others) {
  const faults = parts.flatMap(({ results }) => byRow(results));
  const sum = (key) => parts.reduce((total, part) => total + part[key], 0);
  return {
    ...facts,
    rows: faults.length,
    cases: sum('cases'),
    requests: sum('requests'),
    failed: sum('failed'),
    flap,
    others,
    faults,
  };
}

function byRow(results) {
  const rows = new Map();
  for (const each of results) {
    const key = `${each.row} ${each.title}`;
    rows.set(key, [...(rows.get(key) ?? []), each]);
  }
  return [...rows.values()].map((cases) => ({
    id: cases[0].row,
    title: cases[0].title,
    cases: cases.length,
    failed: cases.filter(({ problems }) => problems.length > 0).length,
    got: Object.fromEntries(STATES.map(([name, isOf]) => [name, answersOf(cases.filter((each) => isOf(each.case)))])),
  }));
}

/** What GET got where it met the fault first. */
function answersOf(cases) {
  const first = cases.filter((each) => each.case.method === 'GET').map(({ got }) => got[0]?.split(' ')[1]);
  return [...new Set(first)].filter((code) => code !== undefined).sort();
}

/** The table of the README: faults with the same outcome share a line. */
export function faultResultsTable({ faults }) {
  const lines = new Map();
  for (const fault of faults) {
    const cells = STATES.map(([name]) => words(name, fault.got[name]));
    const key = cells.join('\n');
    const line = lines.get(key) ?? { cells, titles: [], cases: 0, failed: 0 };
    line.titles.push(fault.title);
    line.cases += fault.cases;
    line.failed += fault.failed;
    lines.set(key, line);
  }
  const rows = [...lines.values()]
    .sort((one, other) => other.titles.length - one.titles.length)
    .map(({ cells, titles, cases, failed }) => [examples(titles), ...cells, `${cases - failed} of ${cases}`]);
  const headers = ['what fails', 'cached', 'lapsed', 'not cached', 'a blob that is missing', 'cases as wanted'];
  return table(headers, rows);
}

function examples(titles) {
  const shown = titles.slice(0, EXAMPLES).join('; ');
  return titles.length > EXAMPLES ? `${shown}; ${titles.length - EXAMPLES} more` : shown;
}

function words(state, codes) {
  const said = codes.map((code) => {
    if (code === '200s') return 'served';
    if (code !== '200') return code;
    return state === 'absent' || state === 'blob' ? 'fetched' : 'as ever';
  });
  return said.join(' or ');
}

/** The sentences that go before the table. */
export function faultResultsSummary({ measured, node, rows, cases, requests, failed, flap, others }) {
  const sentences = [
    `${count(cases)} cases of ${rows} faults, ${count(requests)} requests over real sockets: ${count(failed)} not as wanted.`,
    ...(flap === undefined ? [] : flapSentences(flap)),
    ...(others === undefined ? [] : othersSentences(others)),
    `Measured on ${measured}, node ${node}.`,
  ];
  return sentences.join(' ');
}

function flapSentences({ pulls, flaps, failed, shielded, bytes, control }) {
  return [
    `${count(pulls)} pulls of cached images while the upstream flapped through ${count(flaps)} faults: ${count(failed)} failed,`,
    `${count(shielded)} were shielded, ${count(bytes)} bytes hashed by the client; with a staleness period of 0,`,
    `${count(control.failed)} of ${count(control.pulls)} failed.`,
  ];
}

function othersSentences({ tests, failed, faults }) {
  return [
    `${count(tests)} tests of ${Object.keys(faults).length} faults of clocks, clients and settings: ${count(failed)} failed.`,
  ];
}

function count(number) {
  return number.toLocaleString('en');
}
