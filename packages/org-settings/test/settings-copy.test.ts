import { setTimeout as sleep } from 'node:timers/promises';
import type { OrganizationName } from '@breakwater/registry-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { org, startCluster, type TestCluster, type TestProcess } from './support/harness.js';

let cluster: TestCluster;
let here: TestProcess;
let there: TestProcess;
let count = 0;
let name: OrganizationName;
let path = '';

beforeAll(async () => {
  cluster = await startCluster();
  here = await cluster.startProcess();
  there = await cluster.startProcess();
});
afterAll(() => cluster.stop());
beforeEach(() => {
  count += 1;
  name = org(`org${count}`);
  path = `/api/v1/organization/${name}/proxycache`;
});

/** Reads in a process until it sees something, and returns how long that took in ms. */
async function seenAfter(process: TestProcess, isSeen: (periodS: number | undefined) => boolean): Promise<number> {
  const start = performance.now();
  while (!isSeen((await process.orgSettings.settings.find(name))?.stalenessPeriodS)) {
    if (performance.now() - start > 5_000) throw new Error('not seen within 5 s');
    await sleep(10);
  }
  return performance.now() - start;
}

describe('a change', () => {
  test('is seen at once here, and within 2 s there: creation, change, deletion', async () => {
    const { settings } = here.orgSettings;
    expect(await settings.find(name)).toBeUndefined();
    expect(await there.orgSettings.settings.find(name)).toBeUndefined();

    await here.call('POST', path, { upstream_registry: 'docker.io', staleness_period_s: 1 });
    expect((await settings.find(name))?.stalenessPeriodS).toBe(1);
    expect(await seenAfter(there, (period) => period === 1)).toBeLessThan(2_000);

    await here.call('PUT', path, { staleness_period_s: 2 });
    expect((await settings.find(name))?.stalenessPeriodS).toBe(2);
    expect(await seenAfter(there, (period) => period === 2)).toBeLessThan(2_000);

    await here.call('DELETE', path);
    expect(await settings.find(name)).toBeUndefined();
    expect(await seenAfter(there, (period) => period === undefined)).toBeLessThan(2_000);
  });

  test('is seen by the first read after a long silence', async () => {
    const process = await cluster.startProcess({ maxStaleMs: 100 });
    await here.call('POST', path, { upstream_registry: 'docker.io', staleness_period_s: 1 });
    expect((await process.orgSettings.settings.find(name))?.stalenessPeriodS).toBe(1);
    await sleep(300);
    await here.call('PUT', path, { staleness_period_s: 2 });
    const asked = process.queries.length;
    await sleep(300);
    // Nobody read, so nobody asked.
    expect(process.queries.length).toBe(asked);
    expect((await process.orgSettings.settings.find(name))?.stalenessPeriodS).toBe(2);
  });

  test('is found though the audit was pruned', async () => {
    await here.call('POST', path, { upstream_registry: 'docker.io', staleness_period_s: 1 });
    await seenAfter(there, (period) => period === 1);
    await here.call('PUT', path, { staleness_period_s: 2 });
    await cluster.database.knex('proxy_cache_audit').delete();
    await seenAfter(there, (period) => period === 2);
  });

  test('is never undone by a read that began before it', async () => {
    await here.call('POST', path, { upstream_registry: 'docker.io', staleness_period_s: 0 });
    for (let period = 1; period <= 30; period += 1) {
      const process = period % 10 === 0 ? await cluster.startProcess() : here;
      const reads = [process.orgSettings.settings.find(name), process.orgSettings.settings.find(name)];
      await process.call('PUT', path, { staleness_period_s: period });
      await Promise.all(reads);
      expect((await process.orgSettings.settings.find(name))?.stalenessPeriodS).toBe(period);
    }
  });
});

describe('a hit', () => {
  test('asks the database nothing, for proxy organizations and others', async () => {
    const other = org(`${name}b`);
    await here.call('POST', path, { upstream_registry: 'docker.io' });
    const { settings } = here.orgSettings;
    await settings.find(name);
    await settings.find(other);
    const asked = here.queries.length;
    const start = performance.now();
    while (performance.now() - start < 300) await Promise.all([settings.find(name), settings.find(other)]);
    // At most the question of one interval.
    expect(here.queries.length - asked).toBeLessThanOrEqual(1);
  });

  test('a hundred cold reads at once are one query', async () => {
    const process = await cluster.startProcess();
    await process.orgSettings.settings.find(org('warm-up'));
    const asked = process.queries.length;
    await Promise.all(Array.from({ length: 100 }, () => process.orgSettings.settings.find(name)));
    expect(process.queries.length - asked).toBe(1);
  });
});

describe('without the database', () => {
  test('hot organizations go on, cold ones are 503, the log says it once, and it heals', async () => {
    await here.call('POST', path, { upstream_registry: 'docker.io' });
    const process = await cluster.startProcess({ maxStaleMs: 100 });
    const { settings } = process.orgSettings;
    await settings.find(name);
    const restore = await cluster.breakDatabase();
    try {
      const start = performance.now();
      while (performance.now() - start < 600) {
        expect((await settings.find(name))?.upstream).toBe('docker.io');
        await sleep(5);
      }
      await expect(settings.find(org(`${name}cold`))).rejects.toMatchObject({
        name: 'RegistryError',
        code: 'UNAVAILABLE',
        status: 503,
        detail: { reason: 'database' },
      });
      const get = await process.call('GET', path);
      expect([get.status, get.json.error_type]).toEqual([503, 'unavailable']);
      await expect(process.orgSettings.start()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      expect(process.logger.lines.filter((line) => line.level === 'warn')).toHaveLength(1);
    } finally {
      await restore();
    }
    await sleep(200);
    expect(await settings.find(org(`${name}cold`))).toBeUndefined();
    expect(process.logger.lines.filter((line) => line.level === 'info')).toHaveLength(1);
  });

  test('start reads everything, so that nothing is cold', async () => {
    await here.call('POST', path, { upstream_registry: 'docker.io' });
    const process = await cluster.startProcess();
    await process.orgSettings.start();
    const restore = await cluster.breakDatabase();
    try {
      expect((await process.orgSettings.settings.find(name))?.upstream).toBe('docker.io');
    } finally {
      await restore();
    }
  });
});

describe('with a database that neither answers nor fails', () => {
  test('hot reads wait at most one interval, once, and no questions pile up', async () => {
    await here.call('POST', path, { upstream_registry: 'docker.io' });
    const process = await cluster.startProcess({ maxStaleMs: 400 });
    const { settings } = process.orgSettings;
    await settings.find(name);
    await sleep(1_000);
    const lock = await cluster.database.knex.transaction();
    await lock.raw('lock table proxy_cache_change in access exclusive mode');
    try {
      const asked = process.queries.length;
      const first = performance.now();
      await settings.find(name);
      expect(performance.now() - first).toBeLessThan(400);
      for (let read = 0; read < 50; read += 1) {
        const start = performance.now();
        expect((await settings.find(name))?.upstream).toBe('docker.io');
        expect(performance.now() - start).toBeLessThan(100);
        await sleep(10);
      }
      expect(process.queries.length - asked).toBe(1);
    } finally {
      await lock.rollback();
    }
  });
});

test('options that cannot be right are refused', async () => {
  await expect(cluster.startProcess({ secretKey: Buffer.alloc(16) })).rejects.toThrow(/secretKey must have 32 bytes/);
  await expect(cluster.startProcess({ maxStaleMs: 0 })).rejects.toThrow(/maxStaleMs must be above 0/);
});
