import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPage } from './build-page.mjs';
import { installed, ROOT } from './lib/root.mjs';
import { runStep } from './lib/run.mjs';
import { setUp } from './setup.mjs';

/**
 * Compiles what has changed: by default every package, and the types of the tests; then the settings page.
 *
 * @param project a folder with a tsconfig.json, which is compiled with what it refers to
 */
export async function build(project = '.') {
  removeStale();
  return (await runStep('build', installed('tsc'), ['-b', project])) && (await buildPage());
}

/** The compiler leaves behind what was made of sources that are gone, and an import of that would still work. */
function removeStale() {
  for (const name of readdirSync(join(ROOT, 'packages'))) {
    const home = join(ROOT, 'packages', name);
    const dist = join(home, 'dist');
    if (!existsSync(dist)) continue;
    for (const file of readdirSync(dist, { recursive: true })) {
      const source = /^(.*?)(?:\.d\.ts|\.js)(?:\.map)?$/.exec(file)?.[1];
      if (source === undefined) continue;
      const kept = ['.ts', '.tsx'].some((extension) => existsSync(join(home, 'src', `${source}${extension}`)));
      if (!kept) rmSync(join(dist, file));
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = (await setUp()) && (await build()) ? 0 : 1;
}
