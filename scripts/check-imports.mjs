import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkImports } from './imports/rules.mjs';
import { ROOT } from './lib/root.mjs';

const files = new Map();
for (const name of readdirSync(join(ROOT, 'packages'))) {
  for (const folder of ['src', 'test']) {
    const home = join(ROOT, 'packages', name, folder);
    if (!existsSync(home)) continue;
    for (const file of readdirSync(home, { recursive: true })) {
      if (!/\.tsx?$/.test(file)) continue;
      files.set(`packages/${name}/${folder}/${file}`, readFileSync(join(home, file), 'utf8'));
    }
  }
}
const examples = join(ROOT, 'examples');
for (const file of readdirSync(examples, { recursive: true })) {
  if (/\.ts$/.test(file)) files.set(`examples/${file}`, readFileSync(join(examples, file), 'utf8'));
}
const problems = checkImports(files);
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
