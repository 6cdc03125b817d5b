import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type BuiltImage,
  buildImage,
  describeWith,
  type FaultUpstream,
  pullImage,
  registryState,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
  type TestRegistryState,
} from '@breakwater/test-kit';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mountMemory, mountRight, unmount } from './support/small-disk.js';

// A disk that is really full, out of inodes, or read-only (F110, F117, F124): spool and store are on a file system of a few MiB.

const MIB = 1024 * 1024;

describeWith(mountRight())('a real file system', () => {
  let state: TestRegistryState;
  let upstream: FaultUpstream;
  let breakwater: TestRegistry;
  let organization: string;
  let kept: BuiltImage;

  beforeAll(async () => {
    state = await registryState();
    mountMemory(state.directory, 'size=4m');
    upstream = await startFaultUpstream();
    breakwater = await startTestRegistry({ on: state });
    organization = await breakwater.proxyOrganization({ upstream_registry: upstream.host });
    kept = await pullAndStore('kept', MIB);
  });
  afterAll(async () => {
    await breakwater.close();
    await upstream.close();
    unmount(state.directory);
    await state.remove();
  });

  /** A machine that is busy with other tests sheds downloads now and then. */
  async function pull(name: string): ReturnType<typeof pullImage> {
    for (;;) {
      const pulled = await pullImage(breakwater.url, `${organization}/${name}`, 'v1');
      if (!pulled.problems.some((problem) => problem.includes('Registry Overloaded'))) return pulled;
      await sleep(200);
    }
  }
  const isStored = async (image: BuiltImage) =>
    (
      await state.database
        .knex('blob')
        .whereIn('digest', [...image.blobs.keys()])
        .where({ state: 'live' })
    ).length === image.blobs.size;

  function offer(name: string, size: number): BuiltImage {
    const image = buildImage({ seed: name, layers: [size] });
    upstream.add(name, 'v1', image);
    return image;
  }

  async function pullAndStore(name: string, size: number): Promise<BuiltImage> {
    const image = offer(name, size);
    expect((await pull(name)).problems).toEqual([]);
    await until(() => isStored(image));
    return image;
  }

  test.each([
    ['full', 6 * MIB, 'size=4m', 'size=64m'],
    ['out of inodes', 4_096, 'size=64m,nr_inodes=25', 'size=64m,nr_inodes=100000'],
    ['read-only', 4_096, 'size=64m,ro', 'size=64m,rw'],
  ])('that is %s: clients get what they ask for, and it is kept once there is room', async (name, size, bad, good) => {
    const repository = name.replaceAll(' ', '-');
    mountMemory(state.directory, `remount,${bad}`);
    const image = offer(repository, size);
    expect((await pull(repository)).problems).toEqual([]);
    expect((await pull(repository)).problems).toEqual([]);
    expect(await isStored(image)).toBe(false);
    upstream.reset();
    expect((await pull('kept')).problems).toEqual([]);
    expect(upstream.count({ kind: 'blob' })).toBe(0);
    // A count may be on its way to the database.
    await until(async () => {
      const health = await breakwater.api('GET', `/api/v1/organization/${organization}/proxycache/health`);
      return (health.body as { storage: { status: string } }).storage.status === 'failing';
    });

    mountMemory(state.directory, `remount,${good}`);
    await until(async () => {
      expect((await pull(repository)).problems).toEqual([]);
      return isStored(image);
    });
    expect(await isStored(kept)).toBe(true);
    const spooled = async () => (await readdir(join(state.directory, 'spool'))).filter((each) => !each.startsWith('.'));
    await until(async () => (await spooled()).length === 0);
  });

  async function until(isSo: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 20_000;
    while (!(await isSo())) {
      if (performance.now() > deadline) throw new Error('waited in vain');
      await sleep(50);
    }
  }
});
