import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { callDatabase, isDatabaseUnavailable, silentLogger } from '@breakwater/registry-core';
import { createTestDatabase, type TestDatabase } from '@breakwater/test-kit';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Knex } from 'knex';
import { openDatabase } from './database.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const opened: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

const unavailable = { code: 'UNAVAILABLE', status: 503, detail: { reason: 'database' } };

/** A pool with short limits, through a proxy that can be made silent and cut. */
async function openThroughProxy() {
  const { host, port, user, database: name } = database.connection;
  const sockets = new Set<Socket>();
  let silent = false;
  const proxy = createServer((client) => {
    const upstream = host.startsWith('/') ? connect(join(host, `.s.PGSQL.${port}`)) : connect(port, host);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('data', (data) => {
        if (!silent) to.write(data);
      });
      from.on('close', () => to.destroy());
      from.on('error', () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const address = proxy.address() as { port: number };
  const knex = openDatabase({
    connection: { host: '127.0.0.1', port: address.port, user, database: name },
    logger: silentLogger,
    poolSize: 1,
    statementTimeoutMs: 200,
    poolWaitMs: 300,
  });
  opened.push(async () => {
    for (const socket of sockets) socket.destroy();
    await knex.destroy();
    await new Promise((resolve) => proxy.close(resolve));
  });
  return {
    knex,
    setSilent: (value: boolean) => {
      silent = value;
    },
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function one(knex: Knex): Promise<unknown> {
  const { rows } = await callDatabase(() => knex.raw<{ rows: unknown[] }>('SELECT 1 AS one'));
  return rows[0];
}

describe('openDatabase', () => {
  test('ends a statement that takes too long, and the connection is good for the next', async () => {
    const { knex } = await openThroughProxy();
    await expect(callDatabase(() => knex.raw('SELECT pg_sleep(10)'))).rejects.toMatchObject(unavailable);
    expect(await one(knex)).toEqual({ one: 1 });
  });

  test('gives up on a server that went silent, and does not keep its connection', async () => {
    const { knex, setSilent } = await openThroughProxy();
    expect(await one(knex)).toEqual({ one: 1 });
    setSilent(true);
    await expect(one(knex)).rejects.toMatchObject(unavailable);
    setSilent(false);
    expect(await one(knex)).toEqual({ one: 1 });
  });

  test('goes on after connections were cut', async () => {
    const { knex, cut } = await openThroughProxy();
    expect(await one(knex)).toEqual({ one: 1 });
    const sleeping = callDatabase(() => knex.raw('SELECT pg_sleep(0.15)'));
    setTimeout(cut, 50);
    await expect(sleeping).rejects.toMatchObject(unavailable);
    expect(await one(knex)).toEqual({ one: 1 });
  });

  test('waits for a free connection no longer than it may', async () => {
    const { knex } = await openThroughProxy();
    const busy = knex.raw('SELECT pg_sleep(0.19)').catch(() => undefined);
    const waiting = await Promise.allSettled(
      [1, 2, 3].map(() => callDatabase(() => knex.raw('SELECT pg_sleep(0.19)'))),
    );
    expect(waiting.some((each) => each.status === 'rejected' && isDatabaseUnavailable(each.reason))).toBe(true);
    await busy;
  });

  test('a server that is not there is unavailable', async () => {
    for (const address of [
      { connection: { host: '127.0.0.1', port: 1, user: 'nobody', database: 'none' } },
      { connection: { host: '/nonexistent', user: 'nobody', database: 'none' } },
      { url: 'postgres://nobody@127.0.0.1:1/none' },
    ]) {
      const knex = openDatabase({ ...address, logger: silentLogger });
      await expect(one(knex)).rejects.toMatchObject(unavailable);
      await knex.destroy();
    }
  });
});
