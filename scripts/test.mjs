import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from './build.mjs';
import { check } from './check.mjs';
import { ROOT } from './lib/root.mjs';
import { setUp } from './setup.mjs';

// node scripts/test.mjs [part of a path …] [-t name] [any other option of jest]
//
// Everything, or, with arguments, the tests that they choose; the checks are left out then. The last line is
// `N passed, N failed, N skipped`, where a check that fails counts as a failure. BREAKWATER_FORBID_SKIPS=1 makes a skip
// a failure of the run.

/** Whether this is the run of the tests that take minutes, and of nothing else; see jest.config.js. */
const SLOW = process.env.BREAKWATER_SLOW_TESTS === '1';
const LONGEST_RUN_MS = (SLOW ? 90 : 8) * 60_000;
const LONGEST_END_MS = 20_000;
const args = process.argv.slice(2);
const began = performance.now();

const counts = await run();
if (process.env.BREAKWATER_FORBID_SKIPS === '1' && counts.skipped > 0) {
  console.log('BREAKWATER_FORBID_SKIPS is set: a test that is skipped fails the run');
  process.exitCode = 1;
}
if (counts.failed > 0) process.exitCode = 1;
console.log(`tests: ${((performance.now() - began) / 1000).toFixed(1)} s in all`);
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);

async function run() {
  if (!(await setUp())) return { passed: 0, failed: 1, skipped: 0 };
  const failedChecks = args.length === 0 && !SLOW ? await check() : Number(!(await build()));
  const tested = await runTests();
  return { ...tested, failed: tested.failed + failedChecks };
}

async function runTests() {
  const folder = mkdtempSync(join(tmpdir(), 'breakwater-summary-'));
  const summary = join(folder, 'summary.json');
  try {
    const status = await runJest(summary);
    const counted = readSummary(summary);
    // jest can fail without a test that failed: no test file chosen, a global set-up that throws.
    return status === 0 || counted.failed > 0 ? counted : { ...counted, failed: 1 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runJest(summary) {
  // For jest's workers as well: ES modules, without the notice that they are experimental.
  const options = [process.env.NODE_OPTIONS, '--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const env = { ...process.env, NODE_OPTIONS: options.filter(Boolean).join(' '), BREAKWATER_TEST_SUMMARY: summary };
  const jest = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [jest, ...args], { cwd: ROOT, env, stdio: 'inherit' });
    const giveUp = (reason) => {
      console.log(`FAIL ${reason}, and the run was stopped`);
      child.kill('SIGKILL');
    };
    const minutes = LONGEST_RUN_MS / 60_000;
    const patience = setTimeout(() => giveUp(`the tests took more than ${minutes} minutes`), LONGEST_RUN_MS);
    let endedFor = 0;
    const end = setInterval(() => {
      if (existsSync(summary)) endedFor += 1_000;
      if (endedFor === LONGEST_END_MS) giveUp('something that the tests have started is still running');
    }, 1_000);
    child.once('exit', (status) => {
      clearTimeout(patience);
      clearInterval(end);
      resolve(status);
    });
  });
}

function readSummary(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}
