import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { ROOT } from './lib/root.mjs';

/** The words of each part of .ci/run that chooses slow tests; jest takes them as patterns of paths. */
function parts() {
  const script = readFileSync(join(ROOT, '.ci', 'run'), 'utf8').replaceAll(/\\\n\s*/g, '');
  return [...script.matchAll(/npm run test:slow -- (.+)$/gm)].map(([, words]) => words.trim().split(/\s+/));
}

function slowTests() {
  return readdirSync(join(ROOT, 'packages'), { recursive: true })
    .filter((path) => path.endsWith('.slow.test.ts') && !/(?:^|\/)(?:node_modules|dist)\//.test(path))
    .map((path) => `packages/${path}`);
}

test('.ci/run runs every slow test, and each in one part', () => {
  const files = slowTests();
  expect(files.length).toBeGreaterThan(0);
  const chosen = files.map((file) => [
    file,
    parts().filter((words) => words.some((each) => RegExp(each).test(file))).length,
  ]);
  expect(chosen.filter(([, times]) => times !== 1)).toEqual([]);
});

test('every word of such a part chooses something', () => {
  const files = slowTests();
  const idle = parts()
    .flat()
    .filter((word) => !files.some((file) => RegExp(word).test(file)));
  expect(idle).toEqual([]);
});
