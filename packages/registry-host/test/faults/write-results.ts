import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const RESULTS = fileURLToPath(new URL('../../../../test-results', import.meta.url));

/** Writes what a suite came to, as JSON, to `test-results/` of the repository. */
export function writeResults(file: string, results: object): void {
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(join(RESULTS, file), `${JSON.stringify(results, null, 2)}\n`);
}

/** The commit that is tested; empty where there is no git. */
export function commitOf(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: dirname(RESULTS), encoding: 'utf8' }).trim();
  } catch {
    return '';
  }
}
