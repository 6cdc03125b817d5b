import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { type LogFields, type Logger, silentLogger } from '@breakwater/registry-core';
import {
  describeKeyValueStore,
  describeMessages,
  describeWith,
  movableClock,
  type RedisServer,
  redisServerTool,
  startRedisServer,
} from '@breakwater/test-kit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { openRedisState, type RedisState } from '../../src/redis/open-redis-state.js';
import { createSealedText } from '../../src/redis/sealed-text.js';
import { type RedisRelay, startRedisRelay } from '../support/redis-relay.js';

// Everything here runs on a real redis-server: what both shared stores promise, and what is left of it in each fault.

const SECRET_KEY = new Uint8Array(32).fill(7);
const HOUR_MS = 3_600_000;
const PREFIX = `breakwater:${createSealedText(SECRET_KEY).keyId}:`;

/** Waits until something holds. */
async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 10_000; performance.now() < end; await sleep(5)) {
    if (await holds()) return;
  }
  throw new Error(`${what}: not within 10 s`);
}

/** Measures the pauses after failures. */
const monotonic = movableClock();

/** Waits until Redis is used. Pauses go by meanwhile, unless the clock is held. */
async function isUp(state: RedisState, held = false): Promise<void> {
  await until('Redis is used', async () => {
    if (!held) monotonic.advance({ seconds: 1 });
    await state.values.set('is it up', 'yes', HOUR_MS);
    return (await state.values.get('is it up')) === 'yes';
  });
}

describeWith(redisServerTool())('on a real Redis', () => {
  let server: RedisServer;
  let admin: Redis;
  beforeAll(async () => {
    server = await startRedisServer();
    admin = new Redis(server.url);
  });
  afterAll(async () => {
    admin?.disconnect();
    await server?.stop();
  });

  const open = (clock = movableClock()) =>
    openRedisState({ url: server.url, secretKey: SECRET_KEY, clock, logger: silentLogger, monotonic });

  describeKeyValueStore('Redis', async () => {
    await admin.flushall();
    const clock = movableClock();
    const states = [open(clock), open(clock)] as const;
    for (const state of states) await isUp(state);
    const close = async () => {
      for (const state of states) state.close();
    };
    return { store: states[0].values, elsewhere: states[1].values, clock, close };
  });

  describeMessages('Redis', async () => {
    const states = [open(), open()] as const;
    for (const state of states) await isUp(state);
    let rounds = 0;
    const settled = async () => {
      // Each connection carries things in order: a message of our own that arrives has everything before it behind it.
      rounds += 1;
      for (const [index, { messages }] of states.entries()) {
        let arrived = false;
        const stop = messages.subscribe(`settled ${index} ${rounds}`, () => {
          arrived = true;
        });
        await until('a message arrives', async () => {
          await messages.publish(`settled ${index} ${rounds}`, '');
          return arrived;
        });
        stop();
      }
    };
    const close = async () => {
      for (const state of states) state.close();
    };
    return { one: states[0].messages, other: states[1].messages, settled, close };
  });

  test('Redis frees what is over, and what is in it shows neither key material nor values', async () => {
    await admin.flushall();
    const state = open();
    await isUp(state);
    await state.values.set('a', 'the value of a test', 60_000);
    const ttl = await admin.pttl(`${PREFIX}value:a`);
    expect(ttl).toBeGreaterThan(50_000);
    expect(ttl).toBeLessThanOrEqual(60_000);
    const stored = await admin.get(`${PREFIX}value:a`);
    expect(Buffer.from(stored?.slice(2) ?? '', 'base64url').toString('latin1')).not.toContain('value of a test');
    state.close();
  });

  test('registries with another secret key share nothing', async () => {
    const ours = open();
    const theirs = openRedisState({
      url: server.url,
      secretKey: new Uint8Array(32).fill(8),
      clock: movableClock(),
      logger: silentLogger,
      monotonic,
    });
    await isUp(ours);
    await isUp(theirs);
    await ours.values.set('a', 'ours', HOUR_MS);
    expect(await theirs.values.get('a')).toBeUndefined();
    ours.close();
    theirs.close();
  });

  test('F108, S31: poisoned values and wrong types are misses, and heal when they are set again', async () => {
    const state = open();
    await isUp(state);
    const { values } = state;
    const name = `${PREFIX}value:a`;
    const box = createSealedText(SECRET_KEY);
    const wellSealed = (text: string) => box.seal(name, text);
    const entry = JSON.stringify({ value: 'x', expiresAt: movableClock().now() + HOUR_MS });
    const poisons: readonly (() => Promise<unknown>)[] = [
      () => admin.set(name, ''),
      () => admin.set(name, 'garbage'),
      () => admin.set(name, Buffer.from([0xff, 0xfe, 0x00])),
      () => admin.set(name, '{"value":"x","expiresAt":9e15}'),
      () => admin.set(name, 'x'.repeat(4 * 1024 * 1024)),
      () => admin.set(name, wellSealed('no JSON')),
      () => admin.set(name, wellSealed('null')),
      () => admin.set(name, wellSealed('{"value":1,"expiresAt":9e15}')),
      () => admin.set(name, wellSealed('{"value":"x","expiresAt":"later"}')),
      () => admin.set(name, wellSealed('{"value":"x"}')),
      () => admin.set(name, box.seal(`${PREFIX}value:b`, entry)),
      () => admin.rpush(name, 'a', 'list'),
      () => admin.hset(name, 'a', 'hash'),
      () => admin.sadd(name, 'a set'),
    ];
    for (const poison of poisons) {
      await admin.del(name);
      await poison();
      expect(await values.get('a')).toBeUndefined();
      await values.set('a', 'healed', HOUR_MS);
      expect(await values.get('a')).toBe('healed');
    }
    await admin.set(name, wellSealed(entry));
    expect(await values.get('a')).toBe('x');
    state.close();
  });

  test('a key that is too long is a miss, whoever has put something there', async () => {
    const state = open();
    await isUp(state);
    const key = 'a'.repeat(257);
    const name = `${PREFIX}value:${key}`;
    const entry = JSON.stringify({ value: 'x', expiresAt: movableClock().now() + HOUR_MS });
    await admin.set(name, createSealedText(SECRET_KEY).seal(name, entry));
    expect(await state.values.get(key)).toBeUndefined();
    state.close();
  });

  test('Redis is told when nobody listens any more, and not before', async () => {
    const state = open();
    const channel = `${PREFIX}message:a while`;
    const listeners = async () => Number((await admin.pubsub('NUMSUB', channel))[1]);
    const [first, second] = [1, 2].map(() => state.messages.subscribe('a while', () => undefined));
    await until('it is subscribed', async () => (await listeners()) === 1);
    first?.();
    await sleep(100);
    expect(await listeners()).toBe(1);
    second?.();
    await until('it is not any more', async () => (await listeners()) === 0);
    state.close();
  });

  test('F108: messages that are none are not heard', async () => {
    const state = open();
    const heard: string[] = [];
    state.messages.subscribe('news', (message) => void heard.push(message));
    await until('it is subscribed', async () => (await admin.publish(`${PREFIX}message:news`, '"hello"')) === 1);
    await until('it is heard', () => heard.length > 0);
    for (const poison of ['garbage', '', '1', 'null', '{"a":1}', JSON.stringify('x'.repeat(2_000))]) {
      await admin.publish(`${PREFIX}message:news`, poison);
    }
    await admin.publish(`${PREFIX}message:news`, '"bye"');
    await until('the last one is heard', () => heard.includes('bye'));
    expect(heard).toEqual(['hello', 'bye']);
    state.close();
  });

  test('F106: FLUSHALL and a full memory are misses', async () => {
    const state = open();
    await isUp(state);
    await state.values.set('a', 'one', HOUR_MS);
    await admin.flushall();
    expect(await state.values.get('a')).toBeUndefined();
    await admin.config('SET', 'maxmemory', '1');
    await state.values.set('a', 'two', HOUR_MS);
    expect(await state.values.get('a')).toBeUndefined();
    await admin.config('SET', 'maxmemory', '0');
    await state.values.set('a', 'three', HOUR_MS);
    expect(await state.values.get('a')).toBe('three');
    state.close();
  });
});

describeWith(redisServerTool())('a Redis that fails', () => {
  let server: RedisServer;
  let relay: RedisRelay;
  let state: RedisState;
  let lines: { readonly fields: LogFields; readonly message: string }[];

  const start = () => {
    lines = [];
    const log = (fields: LogFields, message: string) => void lines.push({ fields, message });
    const logger: Logger = { debug: log, info: log, warn: log, error: log };
    return openRedisState({ url: relay.url, secretKey: SECRET_KEY, clock: movableClock(), logger, monotonic });
  };
  const asked = () => relay.sent('GETRANGE', 'SET', 'DEL', 'PUBLISH');

  beforeEach(async () => {
    server = await startRedisServer();
    relay = await startRedisRelay(server.port);
    state = start();
  });
  afterEach(async () => {
    state.close();
    await relay[Symbol.asyncDispose]();
    await server.stop();
  });

  /** Uses it a hundred times, and says how long that took in ms. */
  async function use(): Promise<number> {
    const began = performance.now();
    for (let times = 0; times < 25; times += 1) {
      await state.values.set('a', 'one', HOUR_MS);
      expect(await state.values.get('a')).toBeUndefined();
      await state.values.delete('a');
      await state.messages.publish('news', 'hello');
    }
    return performance.now() - began;
  }

  test('a message that is too long is not sent', async () => {
    await isUp(state);
    const before = relay.sent('PUBLISH');
    await state.messages.publish('news', 'x'.repeat(1_025));
    await state.messages.publish('news', 'x'.repeat(1_024));
    expect(relay.sent('PUBLISH') - before).toBe(1);
  });

  test('F104: dead at the start, and used as soon as it is there', async () => {
    state.close();
    await server.kill();
    state = start();
    expect(await use()).toBeLessThan(200);
    expect(lines.map(({ message }) => message)).toEqual(['Redis cannot be used; going on without it']);
    await server.start();
    // A second is enough, the pause being five, because there is a new connection.
    monotonic.advance({ seconds: 1 });
    await isUp(state, true);
    expect(lines.at(-1)?.message).toBe('Redis is used again');
  });

  test('F104: killed and back: it is used again, and messages are heard again', async () => {
    await isUp(state);
    const heard: string[] = [];
    state.messages.subscribe('news', (message) => void heard.push(message));
    await server.kill();
    expect(await use()).toBeLessThan(400);
    await server.start();
    await isUp(state);
    await until('a message is heard', async () => {
      await state.messages.publish('news', 'hello');
      return heard.length > 0;
    });
  });

  test('F105: hung: one command waits for one time-out, the next hundred are not sent at all', async () => {
    await isUp(state);
    const skippedBefore = state.facts.skipped;
    server.freeze();
    const before = asked();
    const began = performance.now();
    expect(await state.values.get('is it up')).toBeUndefined();
    const waitedMs = performance.now() - began;
    expect(asked()).toBe(before + 1);
    expect(waitedMs).toBeGreaterThan(150);
    expect(waitedMs).toBeLessThan(1_000);

    expect(await use()).toBeLessThan(200);
    expect(asked()).toBe(before + 1);
    expect(lines.filter(({ fields }) => fields['code'] === 'ETIMEDOUT')).toHaveLength(1);
    expect(lines.at(-1)).toEqual({
      fields: { code: 'ETIMEDOUT' },
      message: 'Redis cannot be used; going on without it',
    });
    expect(state.facts.isUp).toBe(false);
    expect(state.facts.skipped - skippedBefore).toBe(100);
    expect(state.facts.failed.get('ETIMEDOUT')).toBe(1);

    server.thaw();
    await isUp(state);
    expect(lines.at(-1)?.message).toBe('Redis is used again');
    expect(state.facts.isUp).toBe(true);
  });

  test('F105: hung while it is connected: after the pause one tries, and everybody else goes on', async () => {
    await isUp(state);
    const connections = relay.accepted;
    server.freeze();
    await state.values.get('a');
    await until('it connects anew', () => relay.accepted > connections);
    monotonic.advance({ seconds: 5 });
    const before = asked();
    await Promise.all(Array.from({ length: 50 }, () => state.values.get('a')));
    expect(asked() - before).toBeLessThanOrEqual(1);
    monotonic.advance({ seconds: 5 });
    server.thaw();
    await isUp(state);
  });

  test('F105: hung from the start', async () => {
    state.close();
    server.freeze();
    state = start();
    await sleep(50);
    expect(await use()).toBeLessThan(150);
    expect(asked()).toBe(0);
    server.thaw();
    await isUp(state);
  });

  test('F107: a leader that became a replica is left once, and asked again when it leads', async () => {
    await isUp(state);
    await server.command('REPLICAOF', '127.0.0.1', '1');
    const before = relay.accepted;
    for (let second = 0; second < 20; second += 1) {
      await state.values.set('a', 'one', HOUR_MS);
      monotonic.advance({ seconds: 1 });
      await sleep(20);
    }
    expect(relay.accepted - before).toBe(1);
    expect(lines.filter(({ fields }) => fields['code'] === 'READONLY')).toHaveLength(1);
    await server.command('REPLICAOF', 'NO', 'ONE');
    await isUp(state);
  });

  test('F109: while it is gone nothing waits in line, and the door is not broken down', async () => {
    await isUp(state);
    await server.kill();
    await use();
    const before = relay.accepted;
    await sleep(1_000);
    // Two connections, each with a first pause of at least 50 ms that doubles.
    expect(relay.accepted - before).toBeLessThanOrEqual(12);
    const sent = asked();
    await server.start();
    await isUp(state);
    // What was refused meanwhile is not sent after all.
    expect(asked() - sent).toBeLessThan(20);
  });

  test('no line shows the password', async () => {
    await using locked = await startRedisServer({ password: 'the-canary-password' });
    await using door = await startRedisRelay(locked.port);
    state.close();
    lines = [];
    const log = (fields: LogFields, message: string) => void lines.push({ fields, message });
    const logger: Logger = { debug: log, info: log, warn: log, error: log };
    const options = { secretKey: SECRET_KEY, clock: movableClock(), logger, monotonic };
    const url = door.url.replace('redis://', 'redis://:the-canary-password@');
    state = openRedisState({ ...options, url });
    await isUp(state);
    state.close();
    state = openRedisState({ ...options, url: url.replace('canary', 'wrong-canary') });
    for (let tries = 0; tries < 20; tries += 1) {
      await state.values.set('a', 'one', HOUR_MS);
      expect(await state.values.get('a')).toBeUndefined();
      await sleep(10);
    }
    expect(lines.length).toBeGreaterThan(0);
    expect(inspect(lines, { depth: 20, showHidden: true })).not.toContain('canary');
  });
});

describeWith(redisServerTool())('a Redis that is not one', () => {
  test.each([
    ['cluster', 'CLUSTERDOWN', /Cluster is not supported/],
    ['sentinel', 'ERR', /Sentinel does not, and is not supported/],
  ] as const)('%s: everything is a miss, and the log says what to do', async (as, code, hint) => {
    await using server = await startRedisServer({ as });
    const lines: LogFields[] = [];
    const log = (fields: LogFields) => void lines.push(fields);
    const logger: Logger = { debug: log, info: log, warn: log, error: log };
    const state = openRedisState({ url: server.url, secretKey: SECRET_KEY, clock: movableClock(), logger, monotonic });
    try {
      await until('it answers', async () => {
        monotonic.advance({ seconds: 1 });
        await state.values.set('a', 'one', HOUR_MS);
        return state.facts.failed.has(code);
      });
      expect(await state.values.get('a')).toBeUndefined();
      expect(lines.find((fields) => fields['code'] === code)?.['hint']).toMatch(hint);
    } finally {
      state.close();
    }
  });

  test('one that wants a password: the log says where it stands', async () => {
    await using server = await startRedisServer({ password: 'the password of Redis' });
    const lines: LogFields[] = [];
    const log = (fields: LogFields) => void lines.push(fields);
    const logger: Logger = { debug: log, info: log, warn: log, error: log };
    const url = `redis://127.0.0.1:${server.port}`;
    const state = openRedisState({ url, secretKey: SECRET_KEY, clock: movableClock(), logger, monotonic });
    try {
      await until('it is told', () => lines.some((fields) => fields['code'] === 'NOAUTH'));
      await sleep(500);
      expect(lines.filter((fields) => fields['code'] === 'NOAUTH')).toHaveLength(1);
      expect(lines.find((fields) => fields['code'] === 'NOAUTH')?.['hint']).toContain('BREAKWATER_REDIS_URL');
    } finally {
      state.close();
    }
  });
});
