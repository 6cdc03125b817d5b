import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { ROOT } from '../lib/root.mjs';

const SIGN_OF_LIFE_MS = 15_000;
const SKIP_REASON = /\[skipped: (needs .*)\]$/;

/**
 * A line per test file as it finishes, failures in full, a line per test that was skipped. The counts go as JSON to the
 * file that BREAKWATER_TEST_SUMMARY names.
 */
export default class Reporter {
  #running = new Map();
  #life = undefined;
  #byName = false;
  #counts = { passed: 0, failed: 0, skipped: 0 };

  constructor(globalConfig) {
    this.#byName = Boolean(globalConfig.testNamePattern);
  }

  onRunStart() {
    this.#life = setInterval(() => {
      const slow = [...this.#running].map(([file, began]) => `${file} (${seconds(Date.now() - began)} s)`);
      if (slow.length > 0) console.log(`…    running ${slow.join(', ')}`);
    }, SIGN_OF_LIFE_MS);
  }

  onTestFileStart(test) {
    this.#running.set(relative(ROOT, test.path), Date.now());
  }

  onTestFileResult(test, result) {
    const file = relative(ROOT, test.path);
    const began = this.#running.get(file) ?? Date.now();
    this.#running.delete(file);
    const counts = this.#count(result);
    const failed = counts.failed > 0;
    console.log(
      `${failed ? 'FAIL' : 'ok  '} ${seconds(Date.now() - began).padStart(5)} s  ${file}  ${describe(counts)}`,
    );
    for (const each of result.testResults) {
      if (each.status === 'failed') continue;
      const reason = SKIP_REASON.exec(
        [...each.ancestorTitles, each.title].reverse().find((t) => SKIP_REASON.test(t)) ?? '',
      );
      const name = each.fullName.replaceAll(/ \[skipped: needs .*?\](?= |$)/g, '');
      if (reason !== null) console.log(`       skipped: ${reason[1]}: ${name}`);
      else if (this.#isSkipped(each)) console.log(`       skipped: no reason given: ${name}`);
    }
    if (failed) console.log(`${result.failureMessage ?? ''}`);
    for (const entry of result.console ?? []) console.log(`       console.${entry.type}: ${entry.message}`);
  }

  onRunComplete() {
    clearInterval(this.#life);
    const summary = process.env.BREAKWATER_TEST_SUMMARY;
    if (summary !== undefined) writeFileSync(summary, JSON.stringify(this.#counts));
  }

  #count(result) {
    const counts = {
      passed: result.numPassingTests,
      // A file that cannot be loaded has no tests; it has failed all the same.
      failed: result.numFailingTests + (result.testExecError !== undefined && result.numFailingTests === 0 ? 1 : 0),
      skipped: result.testResults.filter((each) => this.#isSkipped(each)).length,
    };
    for (const [name, count] of Object.entries(counts)) this.#counts[name] += count;
    return counts;
  }

  /** With -t jest reports every test of another name as pending; only the ones that give a reason are skips then. */
  #isSkipped({ status, ancestorTitles, title }) {
    if (status === 'passed' || status === 'failed') return false;
    return !this.#byName || [...ancestorTitles, title].some((each) => SKIP_REASON.test(each));
  }
}

function seconds(ms) {
  return (ms / 1000).toFixed(1);
}

function describe({ passed, failed, skipped }) {
  const parts = [`${passed} passed`];
  if (failed > 0) parts.push(`${failed} failed`);
  if (skipped > 0) parts.push(`${skipped} skipped`);
  return `(${parts.join(', ')})`;
}
