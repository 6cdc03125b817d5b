import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type BuiltImage,
  buildImage,
  type FaultUpstream,
  type MovableClock,
  movableClock,
  pullImage,
  rawGet,
  registryState,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
  type TestRegistryState,
} from '@breakwater/test-kit';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type DiskCall, FaultyDisk } from '../support/faulty-disk.js';

// G7: every call to the file system that a cold pull makes fails once, for every n. What was there stays readable, what is
// served is right or an error, and what is left behind is swept.

const CODES = ['ENOSPC', 'EROFS', 'EIO', 'EDQUOT', 'EMFILE'];
const BLOB = 200 * 1024;

let disk: FaultyDisk;
let upstream: FaultUpstream;
let clock: MovableClock;
let state: TestRegistryState;
let breakwater: TestRegistry;
let organization: string;
let earlier: BuiltImage;

beforeAll(async () => {
  disk = new FaultyDisk();
  clock = movableClock(Date.now());
  upstream = await startFaultUpstream();
  state = await registryState();
  breakwater = await startTestRegistry({ on: state, disk: disk.disk, clock });
  organization = await breakwater.proxyOrganization({ upstream_registry: upstream.host, prefetch: 'off' });
  earlier = buildImage({ seed: 'earlier', layers: [BLOB] });
  upstream.add('earlier', 'v1', earlier);
  await until(async () => (await pull('earlier')).problems.length === 0);
  await stored(earlier);
});
afterAll(async () => {
  disk.end();
  await breakwater.close();
  await upstream.close();
  await state.remove();
});

const pull = (repository: string) => pullImage(breakwater.url, `${organization}/${repository}`, 'v1');
const layerOf = (image: BuiltImage) => image.layers[0]?.digest ?? '';
const get = (repository: string, image: BuiltImage) =>
  rawGet(`${breakwater.url}/v2/${organization}/${repository}/blobs/${layerOf(image)}`);

async function stored(image: BuiltImage): Promise<void> {
  await until(async () => {
    const rows = await state.database
      .knex('blob')
      .whereIn('digest', [...image.blobs.keys()])
      .where({ state: 'live' });
    return rows.length === image.blobs.size;
  });
}

async function idle(): Promise<void> {
  const spool = join(state.directory, 'spool');
  await until(async () => (await readdir(spool)).filter((name) => !name.startsWith('.')).length === 0);
}

/** Which call: the order of calls that do not wait for each other is another one each time. */
const nameOf = ({ part, name }: DiskCall) => `${part} ${name}`;

/** A cold pull of one blob while the n-th call of a name fails. Gives the calls that were made. */
async function pullWhile(repository: string, failing: string, n: number, code: string): Promise<readonly DiskCall[]> {
  const image = buildImage({ seed: repository, layers: [BLOB] });
  upstream.add(repository, 'v1', image);
  let seen = 0;
  disk.begin((call) => {
    if (nameOf(call) !== failing) return undefined;
    seen += 1;
    return seen === n ? code : undefined;
  });
  const answer = await get(repository, image);
  const isRight = `sha256:${answer.sha256}` === layerOf(image);
  // Right, or an error that says so, or cut before its end.
  if (answer.status === 200) expect(isRight || answer.cut).toBe(true);
  else expect(answer.status).toBe(503);
  // Storing it goes on behind the answer.
  await idle().catch(() => undefined);
  const calls = disk.end();
  const before = await get('earlier', earlier);
  expect([before.status, `sha256:${before.sha256}`]).toEqual([200, layerOf(earlier)]);

  await until(async () => {
    const again = await get(repository, image);
    return again.status === 200 && `sha256:${again.sha256}` === layerOf(image);
  });
  await idle();
  return calls;
}

test('each call of a cold pull fails once', async () => {
  const made = new Map<string, number>();
  for (const call of await pullWhile('clean', 'none', 1, '')) made.set(nameOf(call), (made.get(nameOf(call)) ?? 0) + 1);
  // Those of the commit path are among them.
  const commits = ['store readFile', 'store lstat', 'store mkdir', 'store rename', 'store open', 'store handle.sync'];
  const spools = ['spool mkdir', 'spool open', 'spool writev', 'spool fchmod', 'spool fsync'];
  expect([...made.keys()]).toEqual(expect.arrayContaining([...commits, ...spools]));

  let pulls = 0;
  for (const [name, times] of made) {
    for (let n = 1; n <= times; n += 1) {
      pulls += 1;
      await pullWhile(`cold${pulls}`, name, n, CODES[pulls % CODES.length] ?? 'EIO');
    }
  }
  expect(pulls).toBeGreaterThan(15);

  // After a day the reconciliation of the next start has removed what was left behind.
  await breakwater.close();
  clock.advance({ hours: 25 });
  breakwater = await startTestRegistry({ on: state, clock });
  await until(async () => (await orphans()).length === 0);
  const rows = await state.database.knex('blob').where({ state: 'live' });
  for (const { digest, generation } of rows) {
    const hex = digest.slice('sha256:'.length);
    const bytes = await readFile(join(state.directory, 'storage', 'blobs', 'sha256', hex.slice(0, 2), hex, generation));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(hex);
  }
});

/** Files of the store without a row. */
async function orphans(): Promise<readonly string[]> {
  const root = join(state.directory, 'storage');
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name !== '.breakwater-store');
  const rows = await state.database.knex('blob').select('generation');
  const known = new Set(rows.map(({ generation }: { generation: string }) => generation));
  return files.map(({ name }) => name).filter((name) => !known.has(name));
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error('waited in vain');
    await sleep(10);
  }
}
