import { expect, test } from '@jest/globals';
import { faultResultsTable, gatherResults } from './fault-results.mjs';

const result = (row, title, state, got, { kind = 'image', by = 'tag', method = 'GET', problems = [] } = {}) => ({
  row,
  title,
  case: { state, kind, by, method },
  got,
  problems,
});

test('what clients got is told by state, and faults with the same outcome share a line', () => {
  const results = [
    ...['refused', 'reset'].flatMap((title) => [
      result('F1', title, 'A', ['GET 200s', 'HEAD 200s']),
      result('F1', title, 'A', ['HEAD 503', 'GET 200s'], { method: 'HEAD' }),
      result('F1', title, 'B', ['GET 503 UNAVAILABLE', 'HEAD 503']),
      result('F1', title, 'D', ['GET 503 UNAVAILABLE', 'HEAD 503']),
      result('F1', title, 'D', ['GET 404 MANIFEST_UNKNOWN', 'HEAD 404'], { by: 'digest' }),
      result('F1', title, 'C', ['GET cut', 'HEAD 200'], { kind: 'blob', by: 'digest' }),
    ]),
    result('F2', 'nothing', 'A', ['GET 200', 'HEAD 200'], { problems: ['it is wrong'] }),
    result('F2', 'nothing', 'D', ['GET 200', 'HEAD 200']),
  ];
  const part = { part: 'connections', cases: results.length, requests: 2 * results.length, failed: 1, results };
  const gathered = gatherResults([part], { pulls: 1 }, { measured: 'today' }, { tests: 2 });
  expect(gathered).toMatchObject({
    measured: 'today',
    rows: 3,
    cases: 14,
    requests: 28,
    failed: 1,
    flap: { pulls: 1 },
    others: { tests: 2 },
  });
  const lines = faultResultsTable(gathered).split('\n');
  const cells = (line) => line.split('|').map((cell) => cell.trim());
  expect(cells(lines[2])).toEqual(['', 'refused; reset', 'served', '503', '503', 'cut', '12 of 12', '']);
  expect(cells(lines[3])).toEqual(['', 'nothing', 'as ever', '', 'fetched', '', '1 of 2', '']);
});
