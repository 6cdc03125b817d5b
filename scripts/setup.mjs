import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT } from './lib/root.mjs';
import { runStep } from './lib/run.mjs';

const STAMP = join(ROOT, 'node_modules', '.cache', 'breakwater', 'setup');
const OLDEST_NODE = [20, 19];

/** Installs the dependencies, unless those that the package.json files and the lock ask for are installed already. */
export async function setUp() {
  requireNode();
  if (isInstalled()) return true;
  // Not `npm ci`: the lock leaves out optional packages of other platforms that the registry did not have.
  const done = await runStep('setup: npm install', 'npm', ['install', '--no-audit', '--no-fund'], { announce: true });
  if (done) {
    mkdirSync(dirname(STAMP), { recursive: true });
    writeFileSync(STAMP, wanted());
  }
  return done;
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  console.error(`Breakwater needs Node ${OLDEST_NODE.join('.')} or newer; this is ${process.versions.node}`);
  process.exit(1);
}

function isInstalled() {
  return existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted();
}

/** Differs whenever something else is to be installed. */
function wanted() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`);
  const packages = readdirSync(join(ROOT, 'packages')).map((name) => join('packages', name, 'package.json'));
  for (const name of ['package.json', 'package-lock.json', ...packages.sort()]) {
    const path = join(ROOT, name);
    if (existsSync(path)) hash.update(`${name}\n${readFileSync(path)}\n`);
  }
  return hash.digest('hex');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = (await setUp()) ? 0 : 1;
