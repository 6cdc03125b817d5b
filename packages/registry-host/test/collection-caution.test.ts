import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, silentLogger } from '@breakwater/registry-core';
import {
  buildImage,
  movableClock,
  pullImage,
  registryState,
  startFaultUpstream,
  startTestRegistry,
} from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import { startDatabaseRelay } from './support/database-relay.js';

// After the database was gone for a while, uses wait in the memory of processes for longer than the margin of ten seconds:
// what they would keep must not go before they are written.

test('right after the database is back no garbage is collected, and a dry run says what would be', async () => {
  const state = await registryState();
  await using upstream = await startFaultUpstream();
  await using relay = await startDatabaseRelay(state.database.connection);
  const clock = movableClock(Date.now());
  let hasNoticed = false;
  const logger: Logger = {
    ...silentLogger,
    warn: (_, message) => {
      hasNoticed ||= message.startsWith('changes of rights cannot be read');
    },
  };
  {
    await using breakwater = await startTestRegistry({
      clock,
      logger,
      on: { ...state, database: { ...state.database, connection: relay.connection } },
      env: { BREAKWATER_GC_GRACE_S: '0' },
    });
    upstream.add('team/app', 'v1', buildImage({ seed: 1 }));
    const settings = { upstream_registry: upstream.host, staleness_period_s: 60, expiration_s: 60 };
    const organization = await breakwater.proxyOrganization(settings);
    expect((await pullImage(breakwater.url, `${organization}/team/app`, 'v1')).problems).toEqual([]);
    clock.advance({ minutes: 10 });
    const { gc } = breakwater.registry;
    relay.cut();
    await until(() => hasNoticed);
    await expect(gc.runOnce()).rejects.toMatchObject({ code: 'GC_UNAVAILABLE' });
    relay.restore();
    expect(await gc.runOnce()).toMatchObject({ outcome: 'skipped', skipped: 'database_recovered', expiredTotal: 0 });
    expect(await state.database.knex('cached_tag')).toHaveLength(1);
    expect((await gc.runOnce({ dryRun: true })).expiredTotal).toBeGreaterThan(0);
  }
  await state.remove();
});

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    if (isSo()) return;
    await sleep(20);
  }
  throw new Error('it never came to be');
}
