import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './lib/root.mjs';

// npm run test:clients
//
// Real clients, and the requests of those that are not here, against the running registry; the results go into the README.

const MATRIX = join(ROOT, 'test-results', 'clients.json');
const README = join(ROOT, 'README.md');
const BEGIN = '<!-- clients: npm run test:clients -->';
const END = '<!-- end of clients -->';

rmSync(MATRIX, { force: true });
const status = await run();
if (status === 0) writeMatrix(JSON.parse(readFileSync(MATRIX, 'utf8')));
process.exitCode = status;

function run() {
  const env = { ...process.env, BREAKWATER_SLOW_TESTS: '1', BREAKWATER_TEST_CLIENTS_MATRIX: MATRIX };
  const args = [join(ROOT, 'scripts', 'test.mjs'), 'registry-host/test/clients.slow', ...process.argv.slice(2)];
  return new Promise((resolve) => {
    spawn(process.execPath, args, { cwd: ROOT, env, stdio: 'inherit' }).once('exit', (code) => resolve(code ?? 1));
  });
}

function writeMatrix(rows) {
  const lines = [
    ['client', 'does', 'hosted', 'proxied', 'outage'],
    ...rows.map(({ client, does, results }) => [client, does, results.hosted, results.proxied, results.outage]),
  ];
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const format = (line) => `| ${line.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  const [head, ...rest] = lines.map(format);
  const readme = readFileSync(README, 'utf8');
  const before = readme.indexOf(BEGIN);
  const after = readme.indexOf(END);
  if (before === -1 || after === -1) throw new Error(`README.md has no place for the results: ${BEGIN} … ${END}`);
  const table = [head, rule, ...rest].join('\n');
  writeFileSync(README, `${readme.slice(0, before)}${BEGIN}\n\n${table}\n\n${readme.slice(after)}`);
  console.log(`README.md: ${rows.length} rows`);
}
