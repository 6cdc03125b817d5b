import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { deadLinks, fill, headingsOf, partsOf } from './docs/markdown.mjs';
import { makeParts } from './docs/parts.mjs';
import { ROOT } from './lib/root.mjs';
import { setUp } from './setup.mjs';

// node scripts/generate-docs.mjs [--check]
//
// Writes the parts between `<!-- generated: name -->` and `<!-- end -->` of every page. With --check it writes nothing,
// and fails when a part differs from what it would be, or when a link leads nowhere; what is built must be up to date.

const checkOnly = process.argv.includes('--check');

if (checkOnly || ((await setUp()) && (await build('packages/test-kit')))) {
  const problems = await run().catch((error) => [error.message]);
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
} else {
  process.exitCode = 1;
}

async function run() {
  const parts = await makeParts();
  const files = pages();
  const asked = new Set();
  const problems = [];
  for (const file of files) {
    const page = read(file);
    for (const name of partsOf(page)) asked.add(name);
    const filled = fill(page, parts);
    if (filled === page) continue;
    if (checkOnly) problems.push(`${file}: a generated part is out of date; run node scripts/generate-docs.mjs`);
    else writeFileSync(join(ROOT, file), filled);
  }
  for (const name of Object.keys(parts)) if (!asked.has(name)) problems.push(`no page asks for the part "${name}"`);
  const exists = (path) => existsSync(join(ROOT, path));
  const headings = (path) => (path.endsWith('.md') ? headingsOf(read(path)) : []);
  return [...problems, ...files.flatMap((file) => deadLinks(file, read(file), exists, headings))];
}

function pages() {
  const below = (folder) => readdirSync(join(ROOT, folder), { recursive: true }).map((name) => `${folder}/${name}`);
  const ofPackages = readdirSync(join(ROOT, 'packages')).map((name) => `packages/${name}/README.md`);
  return ['README.md', 'CONTRIBUTING.md', ...below('docs'), ...ofPackages].filter(
    (file) => file.endsWith('.md') && existsSync(join(ROOT, file)),
  );
}

function read(file) {
  return readFileSync(join(ROOT, file), 'utf8');
}
