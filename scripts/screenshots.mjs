import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './lib/root.mjs';

// npm run screenshots: a picture of every state of the settings page in test-results/screenshots, and in docs/images those
// that the documentation shows. It needs Chromium, as the test does that takes them.

const ALL = join(ROOT, 'test-results', 'screenshots');
const SHOWN = join(ROOT, 'docs', 'images');
/** Name of a state, and of its picture in the documentation. */
const PICTURES = { timeline: 'settings-page-outage', clocks: 'settings-page-clocks', cached: 'settings-page-cached' };

const env = { ...process.env, BREAKWATER_SLOW_TESTS: '1', BREAKWATER_SCREENSHOTS: ALL, BREAKWATER_FORBID_SKIPS: '1' };
const test = join(ROOT, 'scripts', 'test.mjs');
const { status } = spawnSync(process.execPath, [test, 'packages/settings-page/test/states'], { env, stdio: 'inherit' });
if (status === 0) {
  mkdirSync(SHOWN, { recursive: true });
  for (const [state, name] of Object.entries(PICTURES))
    copyFileSync(join(ALL, `${state}.png`), join(SHOWN, `${name}.png`));
  console.log(`every state: ${ALL}; shown in the documentation: ${SHOWN}`);
}
process.exitCode = status ?? 1;
