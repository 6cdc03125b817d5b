import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installed, ROOT } from './lib/root.mjs';
import { runStep } from './lib/run.mjs';

const HOME = join(ROOT, 'packages', 'settings-page');
const STAMP = join(HOME, 'bundle', '.made-of');

/** Builds the settings page into packages/settings-page/bundle, unless the one that is there was made of the same files. */
export async function buildPage() {
  const inputs = hashOfInputs();
  const isThere = [STAMP, join(HOME, 'bundle', 'index.html')].every((path) => existsSync(path));
  if (isThere && readFileSync(STAMP, 'utf8') === inputs) return true;
  // A build that fails half way must not look like one that is done.
  rmSync(STAMP, { force: true });
  const done = await runStep('build: settings page', installed('vite'), ['build', '--logLevel', 'warn', HOME]);
  if (done) writeFileSync(STAMP, inputs);
  return done;
}

/** Differs whenever the bundle could: its sources, how it is built, and what is installed. */
function hashOfInputs() {
  const hash = createHash('sha256');
  const sources = readdirSync(join(HOME, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
  const others = ['index.html', 'vite.config.mjs', 'package.json', 'tsconfig.json'].map((name) => join(HOME, name));
  for (const path of [...sources, ...others, join(ROOT, 'package-lock.json')].sort()) {
    if (existsSync(path)) hash.update(`${path.slice(ROOT.length)}\n`).update(readFileSync(path));
  }
  return hash.digest('hex');
}
