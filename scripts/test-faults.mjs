import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { ROOT } from './lib/root.mjs';
import { setUp } from './setup.mjs';

// node scripts/test-faults.mjs [matrix|flap] [any other option of jest]
//
// The long profiles of the fault tests, of which `npm run test:slow -- faults` runs a sample: the whole fault matrix, which takes up to an
// hour, or 20,000 pulls while the upstream flaps. The cases of the matrix are written to test-results/.

const FOLDER = 'packages/registry-host/test/faults';
const began = Date.now();
const [what = 'matrix', ...rest] = process.argv.slice(2);

if (!(await setUp()) || !(await build())) process.exit(1);
const status = await runJest([`${FOLDER}/${what}`, ...rest]);
if (what === 'matrix') printCounts();
process.exitCode = status ?? 1;

function runJest(args) {
  const options = [process.env.NODE_OPTIONS, '--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const profile = { BREAKWATER_SLOW_TESTS: '1', BREAKWATER_TEST_FAULTS: 'whole' };
  const env = { ...process.env, ...profile, NODE_OPTIONS: options.filter(Boolean).join(' ') };
  const jest = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
  return new Promise((resolve) => {
    spawn(process.execPath, [jest, ...args], { cwd: ROOT, env, stdio: 'inherit' }).once('exit', resolve);
  });
}

function printCounts() {
  const folder = join(ROOT, 'test-results');
  // What an earlier run has left there is not of this one.
  const parts = readdirSync(folder)
    .filter((name) => name.startsWith('faults-whole-'))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')))
    .filter(({ at }) => Date.parse(at) >= began);
  const sum = (key) => parts.reduce((total, part) => total + part[key], 0);
  console.log(`fault matrix: ${sum('cases')} cases in ${sum('rows')} rows, ${sum('failed')} failed`);
}
