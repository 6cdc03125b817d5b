import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gatherResults } from './docs/fault-results.mjs';
import { ROOT } from './lib/root.mjs';

// node scripts/keep-results.mjs
//
// After `npm run test:faults` and `npm run test:flap`: writes what the README shows of them to docs/results/faults.json.
// Then `node scripts/generate-docs.mjs` writes the table.

const FOLDER = join(ROOT, 'test-results');
const KEPT = join(ROOT, 'docs', 'results', 'faults.json');

const read = (name) => JSON.parse(readFileSync(join(FOLDER, name), 'utf8'));
const parts = readdirSync(FOLDER)
  .filter((name) => /^faults-whole-.*\.json$/.test(name))
  .sort()
  .map(read);
const missing = ['connections', 'answers', 'other servers'].filter((name) => !parts.some(({ part }) => part === name));
if (missing.length > 0) throw new Error(`no results of ${missing.join(', ')}: run npm run test:faults, whole`);

const ifThere = (name) => (existsSync(join(FOLDER, name)) ? read(name) : undefined);
const flap = ifThere('flap-whole.json');
const others = ifThere('faults-others.json');
const facts = { measured: new Date().toISOString().slice(0, 10), node: process.version };
mkdirSync(join(ROOT, 'docs', 'results'), { recursive: true });
writeFileSync(KEPT, `${JSON.stringify(gatherResults(parts, flap, facts, others), null, 2)}\n`);
console.log(`${KEPT} is written; now: node scripts/generate-docs.mjs`);
