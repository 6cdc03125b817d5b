import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { ROOT } from '../lib/root.mjs';

const PAGE = 'docs/decisions/0035-each-dependency-has-a-reason.md';

/** What others get with a package, ours left out: `@scope` stands for all of a scope. */
function dependencies() {
  const manifests = readdirSync(join(ROOT, 'packages')).map((name) =>
    JSON.parse(readFileSync(join(ROOT, 'packages', name, 'package.json'), 'utf8')),
  );
  const names = manifests
    .filter((each) => each.private !== true)
    .flatMap((each) => [each.dependencies, each.optionalDependencies, each.peerDependencies])
    .flatMap((each) => Object.keys(each ?? {}))
    .filter((name) => !name.startsWith('@breakwater/'))
    .map((name) => (name.startsWith('@') ? name.split('/')[0] : name))
    .filter((name) => name !== 'react-dom');
  return [...new Set(names)].sort();
}

test('each dependency of a published package has its reason, and no reason is left of one that is gone', () => {
  const rows = readFileSync(join(ROOT, PAGE), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| library') && !line.startsWith('| ---'));
  const said = rows.flatMap((row) => row.split('|')[1].split(',')).map((name) => name.trim());
  expect(said.sort()).toEqual(dependencies());
});
