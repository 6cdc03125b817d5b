import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  buildImage,
  type FaultUpstream,
  registryState,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistryState,
} from '@breakwater/test-kit';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { hashedGet } from './support/hashing-client.js';
import { type RegistryProcess, startRegistryProcess } from './support/registry-process.js';

// Two real processes that share database, spool and store. Both run what was built.

const MIB = 1024 * 1024;
const image = buildImage({ seed: 'two processes', layers: [8 * MIB] });
const [layer] = image.layers;
if (layer === undefined) throw new Error('the image has a layer');
const { digest, size } = layer;
const good = { status: 200, bytes: size, sha256: digest.slice('sha256:'.length), cut: false };

let state: TestRegistryState;
let upstream: FaultUpstream;
let path: string;
let started: RegistryProcess[];

/** Two registries on the same state, whose downloads have leases of so many milliseconds. */
async function start(leaseMs: number): Promise<{ leader: RegistryProcess; other: RegistryProcess }> {
  const organization = await organizationOn(state);
  path = `/v2/${organization}/app/blobs/${digest}`;
  const leader = await startRegistryProcess(state, leaseMs);
  started.push(leader);
  const other = await startRegistryProcess(state, leaseMs);
  started.push(other);
  return { leader, other };
}

async function organizationOn(on: TestRegistryState): Promise<string> {
  await using registry = await startTestRegistry({ on });
  return await registry.proxyOrganization({ upstream_registry: upstream.host });
}

beforeEach(async () => {
  started = [];
  state = await registryState();
  upstream = await startFaultUpstream();
  upstream.add('app', 'v1', image);
});

afterEach(async () => {
  for (const each of started) await each.kill();
  // A socket that is reset in the middle of its own end never closes.
  for (let waited = 0; upstream.openSockets > 0 && waited < 1_000; waited += 10) await sleep(10);
  await upstream.close();
  await state.remove();
});

async function spooledBytes(): Promise<number> {
  const spool = join(state.directory, 'spool');
  const names = (await readdir(spool).catch(() => [])).filter((name) => !name.startsWith('.'));
  const sizes = await Promise.all(
    names.map(async (name) => (await stat(join(spool, name)).catch(() => ({ size: 0 }))).size),
  );
  return sizes.reduce((sum, each) => sum + each, 0);
}

/** The leader hangs in the middle of the blob, and readers of both processes hang with it. */
async function halfWay(leader: RegistryProcess, other: RegistryProcess, waiters: number) {
  upstream.fault({ kind: 'cut-body', afterBytes: 5 * MIB, by: 'stall' }, { match: { kind: 'blob' }, times: 1 });
  const ownReader = hashedGet(`${leader.url}${path}`).catch((error: unknown) => error);
  while ((await spooledBytes()) < 4 * MIB) await sleep(10);
  const waiting = Array.from({ length: waiters }, () => hashedGet(`${other.url}${path}`));
  await sleep(300);
  return { ownReader, waiting };
}

const ranges = () =>
  upstream.requests
    .filter(({ method, kind }) => method === 'GET' && kind === 'blob')
    .map(({ headers }) => headers.range);

test('F135: the leader is killed, and a hundred waiters of another process get the whole without a second beginning', async () => {
  // On the same machine it is known to be dead: nobody waits the ten minutes until its lease ends.
  const { leader, other } = await start(600_000);
  const { ownReader, waiting } = await halfWay(leader, other, 100);
  await leader.kill();
  expect(await Promise.all(waiting)).toEqual(waiting.map(() => good));
  const [first, rest, ...more] = ranges();
  expect([first, more]).toEqual([undefined, []]);
  expect(Number(/^bytes=(\d+)-$/.exec(rest ?? '')?.[1])).toBeGreaterThanOrEqual(4 * MIB);
  await ownReader;
}, 120_000);

test('F139: the leader is stopped; its lease runs out, and when it wakes up it does no harm', async () => {
  const { leader, other } = await start(1_500);
  const { ownReader, waiting } = await halfWay(leader, other, 10);
  leader.child.kill('SIGSTOP');
  expect(await Promise.all(waiting)).toEqual(waiting.map(() => good));
  leader.child.kill('SIGCONT');
  expect(await ownReader).toMatchObject({ status: 200 });
  expect(await hashedGet(`${leader.url}${path}`)).toEqual(good);
  expect(await hashedGet(`${other.url}${path}`)).toEqual(good);
  for (let waited = 0; (await spooledBytes()) > 0 && waited < 10_000; waited += 100) await sleep(100);
  expect(await spooledBytes()).toBe(0);
}, 120_000);
