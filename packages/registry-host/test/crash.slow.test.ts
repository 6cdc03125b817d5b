import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type BuiltImage,
  buildImage,
  type FaultUpstream,
  pullImage,
  registryState,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistryState,
} from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import { startRegistryProcess } from './support/registry-process.js';

/** How often the registry is killed; `npm run test:crash` sets it to 200. */
const CYCLES = Number(process.env['BREAKWATER_TEST_CRASH_CYCLES'] ?? 20);
/** The largest layer takes a third of a second to come. */
const BYTES_PER_SECOND = 9_000_000;
const LAYERS = [3_000_000, 700_000, 20_000];
const KILLED_WITHIN_MS = 700;
/** When it is killed: other moments in each run, the same ones again with the seed that a run has printed. */
const SEED = Number(process.env['BREAKWATER_TEST_CRASH_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const SPOOLED = /^(sha(?:256|512)-[0-9a-f]+\.[0-9a-f]{32})(?:\.[^.]+)?\.(?:part|rest|copy)$/;
const STORED = /^([0-9a-f]{32})$/;

/** What a killed registry has left, as the next one finds it. */
interface LeftBehind {
  /** Digests of blobs that the repository may serve. */
  readonly linked: ReadonlySet<string>;
  /** Bytes of partial files, by digest. */
  readonly partial: ReadonlyMap<string, number>;
}

test(`F129 to F131: killed ${CYCLES} times in the middle of cold pulls, it loses nothing that it had`, async () => {
  await using state = await registryState();
  await using upstream = await startFaultUpstream();
  let organization = '';
  {
    await using registry = await startTestRegistry({ on: state });
    organization = await registry.proxyOrganization({ upstream_registry: upstream.host });
  }
  upstream.fault({ kind: 'drip', bytesPerSecond: BYTES_PER_SECOND }, { match: { kind: 'blob', method: 'GET' } });
  process.stdout.write(`BREAKWATER_TEST_CRASH_SEED=${SEED}\n`);
  const moments = randomNumbers(SEED);
  const hashed = new Set<string>();
  const seen = { resumed: 0, stored: 0, untouched: 0 };
  let registry = await startRegistryProcess(state);
  try {
    for (let cycle = 0; cycle < CYCLES; cycle += 1) {
      const repository = `app-${cycle}`;
      const image = buildImage({ seed: `crash ${cycle}`, layers: LAYERS });
      upstream.add(repository, 'v1', image);
      const broken = pullImage(registry.url, `${organization}/${repository}`, 'v1').catch((error: unknown) => error);
      await sleep(moments() * KILLED_WITHIN_MS);
      await registry.kill();
      await broken;
      expect([cycle, await wrongFiles(state, hashed)]).toEqual([cycle, []]);
      expect([cycle, await rowsWithoutFile(state)]).toEqual([cycle, []]);

      const left = await leftBehind(state, repository);
      for (const bytes of left.partial.values()) if (bytes > 0) seen.resumed += 1;
      if (left.linked.size > 0) seen.stored += 1;
      if (left.linked.size === 0 && left.partial.size === 0) seen.untouched += 1;
      upstream.reset();
      registry = await startRegistryProcess(state);
      const { problems } = await pullImage(registry.url, `${organization}/${repository}`, 'v1');
      expect([cycle, problems]).toEqual([cycle, []]);
      await untilStored(state, repository, image);
      expect([cycle, refetched(upstream, left)]).toEqual([cycle, []]);
      expect([cycle, await spooled(state)]).toEqual([cycle, []]);
      expect([cycle, await wrongFiles(state, hashed)]).toEqual([cycle, []]);
      expect([cycle, await rowsWithoutFile(state)]).toEqual([cycle, []]);
    }
    expect(await wrongFiles(state)).toEqual([]);
  } finally {
    await registry.kill();
  }
  // A test in which nothing was ever half done would show nothing.
  process.stdout.write(`killed ${CYCLES} times: ${JSON.stringify(seen)}\n`);
  expect(seen.resumed).toBeGreaterThan(CYCLES / 10);
}, 3_600_000);

async function leftBehind(state: TestRegistryState, repository: string): Promise<LeftBehind> {
  const rows: { digest: string }[] = await state.database
    .knex('content_link')
    .where({ repository, kind: 'blob' })
    .select('digest');
  const partial = new Map<string, number>();
  for (const name of await spooled(state)) {
    const digest = name.slice(0, name.indexOf('.')).replace('-', ':');
    // Anything else is a file that nobody may go on with; and of one download there is one.
    if (!SPOOLED.test(name) || partial.has(digest)) throw new Error(`${name} is left in the spool`);
    partial.set(digest, (await stat(join(state.directory, 'spool', name))).size);
  }
  return { linked: new Set(rows.map(({ digest }) => digest)), partial };
}

async function spooled({ directory }: TestRegistryState): Promise<readonly string[]> {
  const names = await readdir(join(directory, 'spool')).catch(() => []);
  return names.filter((name) => !name.startsWith('.'));
}

/** What was asked for though it was there, in part or whole. */
function refetched(upstream: FaultUpstream, { linked, partial }: LeftBehind): readonly string[] {
  const gets = upstream.requests.filter(({ kind, method }) => kind === 'blob' && method === 'GET');
  return gets.flatMap(({ reference = '', headers }) => {
    const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? 'bytes=0-')?.[1]);
    const have = partial.get(reference) ?? 0;
    if (linked.has(reference)) return [`${reference} was stored, and is fetched again`];
    return from < have ? [`${have} bytes of ${reference} were there, and it is fetched from byte ${from}`] : [];
  });
}

async function untilStored(state: TestRegistryState, repository: string, image: BuiltImage): Promise<void> {
  for (let waited = 0; waited < 10_000; waited += 50) {
    const rows = await state.database.knex('content_link').where({ repository, kind: 'blob' });
    if (rows.length === image.blobs.size && (await spooled(state)).length === 0) return;
    await sleep(50);
  }
  throw new Error(`${repository} is not stored: ${await spooled(state)}`);
}

/** Files in the store that are not what they are called. @param hashed those that were looked at before, and have not changed */
async function wrongFiles({ directory }: TestRegistryState, hashed = new Set<string>()): Promise<readonly string[]> {
  const top = join(directory, 'storage', 'blobs', 'sha256');
  const wrong: string[] = [];
  for (const entry of await readdir(top, { recursive: true, withFileTypes: true }).catch(() => [])) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const { ctimeMs, size } = await stat(path);
    const version = `${path} ${ctimeMs} ${size}`;
    if (hashed.has(version)) continue;
    hashed.add(version);
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    if (!STORED.test(entry.name) || hash.digest('hex') !== entry.parentPath.slice(-64)) wrong.push(path);
  }
  return wrong;
}

async function rowsWithoutFile({ directory, database }: TestRegistryState): Promise<readonly string[]> {
  const rows: { digest: string; generation: string; size: string }[] = await database
    .knex('blob')
    .where('state', 'live')
    .select();
  const missing: string[] = [];
  for (const { digest, generation, size } of rows) {
    const hex = digest.slice('sha256:'.length);
    const path = join(directory, 'storage', 'blobs', 'sha256', hex.slice(0, 2), hex, generation);
    const found = await stat(path).catch(() => undefined);
    if (found?.size !== Number(size)) missing.push(`${digest} ${generation}`);
  }
  return missing;
}

/** Numbers from 0 to 1 that a seed gives, the same ones for the same seed. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    // Mulberry32.
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
