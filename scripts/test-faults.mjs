import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { ROOT } from './lib/root.mjs';
import { setUp } from './setup.mjs';

// node scripts/test-faults.mjs [matrix|flap|others] [any other option of jest]
//
// The long profiles of the fault tests, of which `npm run test:slow -- faults` runs a sample: the whole fault matrix, which takes up to an
// hour, or 20,000 pulls while the upstream flaps. The cases of the matrix are written to test-results/, and so is how many tests there are
// of the others, F143 to F169, which `npm test` runs as well.

const FOLDER = 'packages/registry-host/test/faults';
const began = Date.now();
const [what = 'matrix', ...rest] = process.argv.slice(2);

if (!(await setUp()) || !(await build())) process.exit(1);
const RESULTS = join(ROOT, 'test-results');
const WHOLE = { BREAKWATER_SLOW_TESTS: '1', BREAKWATER_TEST_FAULTS: 'whole' };
const statuses = [];
if (what !== 'others') statuses.push(await runJest([`${FOLDER}/${what}`, ...rest], WHOLE));
if (what === 'matrix') printCounts();
if (what !== 'flap') statuses.push(await runOthers());
process.exitCode = statuses.every((status) => status === 0) ? 0 : 1;

/** The faults of clocks, clients and settings: counted by the numbers that stand in the names of their tests. */
async function runOthers() {
  mkdirSync(RESULTS, { recursive: true });
  const raw = join(RESULTS, 'others-of-jest.json');
  const files = ['clocks', 'client-faults'].map((name) => `${FOLDER}/${name}.test.ts`);
  const status = await runJest([...files, '--json', `--outputFile=${raw}`], {});
  const tests = JSON.parse(readFileSync(raw, 'utf8')).testResults.flatMap(({ assertionResults }) => assertionResults);
  const faults = new Map();
  for (const { fullName, status: outcome } of tests) {
    for (const id of new Set(fullName.match(/\bF1[0-9]{2}\b/g))) {
      const { tests: count = 0, failed = 0 } = faults.get(id) ?? {};
      faults.set(id, { tests: count + 1, failed: failed + (outcome === 'passed' ? 0 : 1) });
    }
  }
  const failed = tests.filter(({ status: outcome }) => outcome !== 'passed').length;
  const counts = { at: new Date().toISOString(), tests: tests.length, failed, faults: Object.fromEntries(faults) };
  writeFileSync(join(RESULTS, 'faults-others.json'), `${JSON.stringify(counts, null, 2)}\n`);
  console.log(`other faults: ${tests.length} tests of ${faults.size} faults, ${failed} failed`);
  return status;
}

function runJest(args, profile) {
  const options = [process.env.NODE_OPTIONS, '--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const env = { ...process.env, ...profile, NODE_OPTIONS: options.filter(Boolean).join(' ') };
  const jest = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
  return new Promise((resolve) => {
    spawn(process.execPath, [jest, ...args], { cwd: ROOT, env, stdio: 'inherit' }).once('exit', resolve);
  });
}

function printCounts() {
  // What an earlier run has left there is not of this one.
  const parts = readdirSync(RESULTS)
    .filter((name) => name.startsWith('faults-whole-'))
    .map((name) => JSON.parse(readFileSync(join(RESULTS, name), 'utf8')))
    .filter(({ at }) => Date.parse(at) >= began);
  const sum = (key) => parts.reduce((total, part) => total + part[key], 0);
  console.log(`fault matrix: ${sum('cases')} cases in ${sum('rows')} rows, ${sum('failed')} failed`);
}
