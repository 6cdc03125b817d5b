import { mkdir, readdir, rename, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type BuiltImage,
  buildImage,
  type FaultUpstream,
  pullImage,
  type RawAnswer,
  rawGet,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type DiskCall, type Fate, FaultyDisk } from '../support/faulty-disk.js';

// The rows of the fault matrix about the disk, F110 to F125, as clients see them: a blob that is stored (A), and one that
// is not (D). F119 to F121 and F127 are stored-damage.slow.test.ts, F126 is the quota's.

const LONGEST_CALL_MS = 200;
const SIZE = 3 * 1024 * 1024;

interface DiskRow {
  readonly id: string;
  readonly title: string;
  readonly fate: (call: DiskCall) => Fate;
  /** What a client gets of a stored blob. `refetched` = from the upstream; default from the store. */
  readonly A?: 'served' | 'refetched' | 'cut' | 'storage' | 'overload';
  /** What a client gets of another one. Default: streamed, and not kept. */
  readonly D?: 'streamed' | 'kept' | 'storage' | 'overload';
}

const on =
  (code: string, ...names: readonly string[]) =>
  ({ part, name }: DiskCall): Fate =>
    names.includes(`${part} ${name}`) ? code : undefined;
/** Whatever changes something. */
const WRITES = [
  'store mkdir',
  'store rename',
  'store copyFile',
  'store unlink',
  'spool mkdir',
  'spool writev',
  'spool rename',
  'spool link',
  'spool writeFile',
  'spool fchmod',
];
const creates = ({ part, name, path }: DiskCall) => part === 'spool' && name === 'open' && path.endsWith('.part');

const ROWS: readonly DiskRow[] = [
  { id: 'F110', title: 'full while a blob is written', fate: on('ENOSPC', 'spool writev') },
  { id: 'F110', title: 'full for this user', fate: on('EDQUOT', 'spool writev') },
  {
    id: 'F110',
    title: 'full when half of a blob is written',
    fate: (() => {
      let writes = 0;
      return (call) => {
        if (call.number === 1) writes = 0;
        if (on('x', 'spool writev')(call) === undefined) return undefined;
        writes += 1;
        return writes > 1 ? 'ENOSPC' : undefined;
      };
    })(),
  },
  { id: 'F111', title: 'full when a directory is to be made', fate: on('ENOSPC', 'store mkdir') },
  { id: 'F111', title: 'full when a file is to be moved', fate: on('ENOSPC', 'store rename') },
  { id: 'F112', title: 'broken while a blob is written', fate: on('EIO', 'spool writev') },
  { id: 'F114', title: 'broken where a stored blob is', fate: on('EIO', 'reads open'), A: 'refetched', D: 'kept' },
  {
    id: 'F115',
    title: 'broken in the middle of a stored blob',
    fate: on('EIO', 'reads read'),
    A: 'storage',
    D: 'kept',
  },
  { id: 'F116', title: 'it cannot flush a file', fate: on('EIO', 'spool fsync') },
  { id: 'F116', title: 'it cannot flush a directory', fate: on('EIO', 'store handle.sync') },
  { id: 'F117', title: 'read-only', fate: (call) => (creates(call) ? 'EROFS' : on('EROFS', ...WRITES)(call)) },
  { id: 'F122', title: 'a stored blob may not be read', fate: on('EACCES', 'reads open'), A: 'refetched', D: 'kept' },
  {
    id: 'F122',
    title: 'nothing may be written',
    fate: (call) => (creates(call) ? 'EACCES' : on('EPERM', ...WRITES)(call)),
  },
  { id: 'F123', title: 'no descriptors for stored blobs', fate: on('EMFILE', 'reads open'), A: 'overload', D: 'kept' },
  { id: 'F124', title: 'no inodes', fate: (call) => (creates(call) ? 'ENOSPC' : undefined) },
  { id: 'F125', title: 'it does not answer', fate: on('stall', 'reads open'), A: 'refetched', D: 'kept' },
  { id: 'F125', title: 'it stops answering', fate: on('stall', 'reads read'), A: 'storage', D: 'kept' },
  { id: 'F125', title: 'it does not answer where blobs arrive', fate: on('stall', 'spool mkdir', 'spool open') },
  { id: 'F125', title: 'it stops answering while a blob is written', fate: on('stall', 'spool writev') },
  { id: 'F125', title: 'it stops answering while a blob is read', fate: on('stall', 'spool read'), D: 'kept' },
  { id: 'F125', title: 'it stops answering when a file is flushed', fate: on('stall', 'spool fsync') },
  { id: 'F125', title: 'it stops answering when a file is moved', fate: on('stall', 'store rename') },
  { id: 'F125', title: 'it stops answering when a directory is flushed', fate: on('stall', 'store handle.sync') },
];

let disk: FaultyDisk;
let upstream: FaultUpstream;
let breakwater: TestRegistry;
let organization: string;
let number = 0;
let stored: BuiltImage;
let cold: BuiltImage;

beforeAll(async () => {
  disk = new FaultyDisk(LONGEST_CALL_MS);
  upstream = await startFaultUpstream();
  breakwater = await startTestRegistry({ disk: disk.disk, deadlines: { clientBudgetMs: 3_000 } });
  organization = await breakwater.proxyOrganization({ upstream_registry: upstream.host, prefetch: 'off' });
});
afterAll(async () => {
  disk.end();
  await breakwater.close();
  await upstream.close();
});
afterEach(async () => {
  disk.end();
  await upstream.revive();
});

/** Two images that share nothing, one of which was pulled. */
async function prepare(): Promise<void> {
  number += 1;
  stored = buildImage({ seed: `disk ${number}, stored`, layers: [SIZE] });
  cold = buildImage({ seed: `disk ${number}, cold`, layers: [SIZE] });
  upstream.add(`stored${number}`, 'v1', stored);
  upstream.add(`cold${number}`, 'v1', cold);
  await until(async () => {
    const { problems } = await pullImage(breakwater.url, `${organization}/stored${number}`, 'v1');
    return problems.length === 0 && (await rowOf(layerOf(stored))) !== undefined;
  });
}

const layerOf = (image: BuiltImage) => image.layers[0]?.digest ?? '';
const rowOf = (digest: string) => breakwater.state.database.knex('blob').where({ digest, state: 'live' }).first();
const isRight = (answer: RawAnswer, digest: string) => answer.status === 200 && `sha256:${answer.sha256}` === digest;

async function get(image: BuiltImage): Promise<RawAnswer> {
  const repository = image === stored ? `stored${number}` : `cold${number}`;
  for (;;) {
    const answer = await rawGet(`${breakwater.url}/v2/${organization}/${repository}/blobs/${layerOf(image)}`);
    // A machine that is busy with other tests sheds downloads now and then.
    const detail = answer.status === 503 ? reasonOf(answer) : {};
    if (detail['reason'] !== 'overload' || /EMFILE/.test(String(detail['message']))) return answer;
  }
}

function reasonOf(answer: RawAnswer): Record<string, unknown> {
  const [error] = JSON.parse(String(answer.bytes)).errors;
  return { ...error.detail, message: error.message };
}

const spooled = async () =>
  (await readdir(join(breakwater.state.directory, 'spool'))).filter((name) => !name.startsWith('.'));
const health = async () =>
  (await breakwater.api('GET', `/api/v1/organization/${organization}/proxycache/health`)).body as {
    storage: { status: string };
  };

describe.each(ROWS)('$id: the disk is $title', ({ fate, A = 'served', D = 'streamed' }) => {
  test('a stored blob, an unknown blob, and both when it is over', async () => {
    await prepare();
    upstream.reset();
    disk.begin(fate);
    const first = await get(stored);
    if (A === 'served' || A === 'refetched') {
      expect([first.status, isRight(first, layerOf(stored))]).toEqual([200, true]);
      expect(upstream.count({ kind: 'blob' })).toBe(A === 'refetched' ? 1 : 0);
    } else if (A === 'cut') {
      expect(first.cut).toBe(true);
    } else {
      expect(reasonOf(first)).toMatchObject({ reason: A });
      expect(first.headers['retry-after']).toBeDefined();
    }

    const second = await get(cold);
    expect([second.status, isRight(second, layerOf(cold))]).toEqual([200, true]);
    if (D === 'streamed') {
      await until(async () => (await spooled()).length === 0);
      expect(await rowOf(layerOf(cold))).toBeUndefined();
      // A count may be on its way to the database.
      await until(async () => (await health()).storage.status === 'failing');
      const { bytes } = await rawGet(`${breakwater.url}/metrics`);
      expect(Number(/breakwater_not_stored_total\{class="storage"\} (\d+)/.exec(String(bytes))?.[1])).toBeGreaterThan(
        0,
      );
    }

    disk.end();
    for (const image of [stored, cold]) {
      await until(async () => isRight(await get(image), layerOf(image)) && (await rowOf(layerOf(image))) !== undefined);
    }
    upstream.reset();
    for (const image of [stored, cold]) await until(async () => isRight(await get(image), layerOf(image)));
    expect(upstream.count({ kind: 'blob' })).toBe(0);
    await until(async () => (await spooled()).length === 0);
  });
});

test('F115: a read that fails after the head is out cuts the answer, and the next request fetches the blob again', async () => {
  await prepare();
  let reads = 0;
  disk.begin(({ part, name }) => {
    if (part !== 'reads' || name !== 'read') return undefined;
    reads += 1;
    return reads === 2 ? 'EIO' : undefined;
  });
  const answer = await get(stored);
  expect([answer.status, answer.cut]).toEqual([200, true]);
  disk.end();
  upstream.reset();
  expect(isRight(await get(stored), layerOf(stored))).toBe(true);
  expect(upstream.count({ kind: 'blob' })).toBe(1);
});

test('F125: while one disk does not answer, what needs no disk goes on', async () => {
  await prepare();
  const headers = { accept: 'application/vnd.oci.image.manifest.v1+json' };
  let stalled = 0;
  disk.begin((call) => {
    const fate = on('stall', 'reads read')(call);
    if (fate !== undefined) stalled += 1;
    return fate;
  });
  const many = Promise.all(Array.from({ length: 20 }, () => get(stored)));
  const [blob, manifest] = await Promise.all([
    get(stored),
    rawGet(`${breakwater.url}/v2/${organization}/stored${number}/manifests/v1`, { headers }),
  ]);
  // Who waited too long to open its file had the blob from the upstream; nobody had anything else.
  for (const answer of [blob, ...(await many)]) {
    if (answer.status === 200) expect(isRight(answer, layerOf(stored))).toBe(true);
    else expect(reasonOf(answer)).toMatchObject({ reason: 'storage', problem: 'STORE_STALLED' });
  }
  // They hold half of the threads of the pool, and no more come.
  expect(stalled).toBeGreaterThan(0);
  expect(stalled).toBeLessThanOrEqual(8);
  expect(manifest.status).toBe(200);
});

test('F125: while the disk of the spool does not answer, it holds few threads, and every client has its blob', async () => {
  await prepare();
  const images = Array.from({ length: 6 }, (_, n) => buildImage({ seed: `stalled ${n}`, layers: [SIZE] }));
  images.forEach((image, n) => void upstream.add(`stalled${n}`, 'v1', image));
  let stalled = 0;
  disk.begin((call) => {
    const fate = on('stall', 'spool writev', 'spool rm', 'spool rename')(call);
    if (fate !== undefined) stalled += 1;
    return fate;
  });
  const repositoryUrl = (n: number) => `${breakwater.url}/v2/${organization}/stalled${n}`;
  const answers = await Promise.all(images.map((image, n) => rawGet(`${repositoryUrl(n)}/blobs/${layerOf(image)}`)));
  expect(answers.map((answer, n) => isRight(answer, layerOf(images[n] as BuiltImage)))).toEqual(images.map(() => true));
  expect([stalled > 0, stalled <= 3]).toEqual([true, true]);
  // What is stored needs none of it.
  expect(isRight(await get(stored), layerOf(stored))).toBe(true);

  // What could not be removed is what the next pulls go on with.
  disk.end();
  for (const [n, image] of images.entries()) {
    // Pulled again as long as it takes: on a busy machine a call may take longer than such a disk is waited for.
    await until(async () => {
      expect(isRight(await rawGet(`${repositoryUrl(n)}/blobs/${layerOf(image)}`), layerOf(image))).toBe(true);
      return (await rowOf(layerOf(image))) !== undefined;
    });
  }
  await until(async () => (await spooled()).length === 0);
});

describe('F113: the store is not mounted', () => {
  const root = () => join(breakwater.state.directory, 'storage');

  test('pulls pass through; with the upstream down they are 503 storage; nothing is written or removed', async () => {
    await prepare();
    const { knex } = breakwater.state.database;
    const before = [await knex('blob').orderBy('digest'), await knex('content_damage').orderBy('digest')];
    await rename(root(), `${root()}.away`);
    await mkdir(root());
    try {
      for (const image of [stored, cold]) {
        const answer = await get(image);
        expect([answer.status, isRight(answer, layerOf(image))]).toEqual([200, true]);
      }
      await until(async () => (await spooled()).length === 0);
      await upstream.kill();
      for (const image of [stored, cold]) {
        const answer = await get(image);
        expect(answer.status).toBe(503);
        if (image === stored) expect(reasonOf(answer)).toMatchObject({ reason: 'storage', problem: 'STORE_UNMOUNTED' });
      }
      const head = await rawGet(`${breakwater.url}/v2/${organization}/stored${number}/blobs/${layerOf(stored)}`, {
        method: 'HEAD',
      });
      expect([head.status, head.reasonPhrase]).toEqual([503, 'Registry Storage Failed']);
      const collected = await breakwater.api('POST', '/api/v1/gc/run');
      expect(collected.body).toMatchObject({ outcome: 'failed' });
      expect(await readdir(root())).toEqual([]);
      expect([await knex('blob').orderBy('digest'), await knex('content_damage').orderBy('digest')]).toEqual(before);
    } finally {
      await rmdir(root());
      await rename(`${root()}.away`, root());
    }
    expect(isRight(await get(stored), layerOf(stored))).toBe(true);
  });
});

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error('waited in vain');
    await sleep(10);
  }
}
