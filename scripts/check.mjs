import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';
import { installed, ROOT } from './lib/root.mjs';
import { runStep } from './lib/run.mjs';
import { setUp } from './setup.mjs';

/** Runs every check that needs no test, and resolves to how many have failed. Each one is run, whatever the others say. */
export async function check() {
  const done = [
    await build(),
    await runStep('check: lint and format', installed('biome'), ['check', '--error-on-warnings', '.']),
    await runStep('check: imports', process.execPath, [join(ROOT, 'scripts', 'check-imports.mjs')]),
    await runStep('check: unused code', installed('knip'), [
      '--no-progress',
      '--no-config-hints',
      '--config',
      'scripts/knip.json',
    ]),
    await runStep('check: examples', installed('tsc'), ['-p', 'docs/examples']),
    await runStep('check: documentation', process.execPath, [join(ROOT, 'scripts', 'generate-docs.mjs'), '--check']),
  ];
  return done.filter((succeeded) => !succeeded).length;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = (await setUp()) && (await check()) === 0 ? 0 : 1;
}
