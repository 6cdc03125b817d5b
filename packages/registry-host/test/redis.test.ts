import { setTimeout as sleep } from 'node:timers/promises';
import type { LogFields, Logger } from '@breakwater/registry-core';
import {
  buildImage,
  describeWith,
  type FaultUpstream,
  type MovableClock,
  movableClock,
  pullImage,
  type RedisServer,
  rawGet,
  redisServerTool,
  registryState,
  startFaultUpstream,
  startRedisServer,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type RedisRelay, startRedisRelay } from './support/redis-relay.js';

// Two registries on one database, with a Redis: what is sooner and cheaper by it, and that nothing is wrong without it.

const credentials = { username: 'robot', password: 'the-canary-password' };
const image = buildImage({ seed: 'redis' });

describeWith(redisServerTool())('two registries and a Redis', () => {
  const closing: AsyncDisposable[] = [];
  const lines: { readonly fields: LogFields; readonly message: string }[] = [];
  let server: RedisServer;
  let relay: RedisRelay;
  let upstream: FaultUpstream;
  let clock: MovableClock;
  let one: TestRegistry;
  let two: TestRegistry;

  function ending<T extends AsyncDisposable>(resource: T): T {
    closing.push(resource);
    return resource;
  }

  beforeEach(async () => {
    lines.length = 0;
    clock = movableClock(Date.now());
    server = ending(await startRedisServer());
    relay = ending(await startRedisRelay(server.port));
    upstream = ending(await startFaultUpstream({ clock }));
    upstream.add('team/app', 'v1', image);
    upstream.add('team/app', 'v2', image);
    upstream.setAuth({ kind: 'bearer', ...credentials, tokenLifetimeS: 3_000 });
    const log = (fields: LogFields, message: string) => void lines.push({ fields, message });
    const logger: Logger = { debug: log, info: log, warn: log, error: log };
    const state = ending(await registryState());
    const options = { on: state, clock, logger, env: { BREAKWATER_REDIS_URL: relay.url } };
    one = ending(await startTestRegistry(options));
    two = ending(await startTestRegistry(options));
    await listening();
  });
  afterEach(async () => {
    for (const each of closing.splice(0).reverse()) await each[Symbol.asyncDispose]();
  });

  const organizationOn = () =>
    one.proxyOrganization({
      upstream_registry: upstream.host,
      upstream_registry_username: credentials.username,
      upstream_registry_password: credentials.password,
      staleness_period_s: 3_600,
    });
  const manifest = (registry: TestRegistry, organization: string, tag = 'v1') =>
    rawGet(`${registry.url}/v2/${organization}/team/app/manifests/${tag}`);
  const digest = async (registry: TestRegistry, organization: string) =>
    (await manifest(registry, organization)).headers['docker-content-digest'];
  const tokens = () => upstream.count({ server: 'token' });

  /** Tries until it holds, and tells how long that took in ms. */
  async function soon(holds: () => Promise<boolean>): Promise<number> {
    const began = performance.now();
    for (; performance.now() - began < 10_000; await sleep(10)) if (await holds()) return performance.now() - began;
    throw new Error('not within 10 s');
  }

  /** Waits until both registries hear what is published on every channel. */
  async function listening(): Promise<void> {
    await soon(async () => {
      const channels = (await server.command('PUBSUB', 'CHANNELS')).split('\n').filter((name) => name !== '');
      if (channels.length < 2) return false;
      const counts = await server.command('PUBSUB', 'NUMSUB', ...channels);
      return counts.split('\n').every((each, index) => index % 2 === 0 || each === '2');
    });
  }

  test('a token is fetched once for both, and stands in Redis in no form that can be read', async () => {
    const organization = await organizationOn();
    expect((await manifest(one, organization)).status).toBe(200);
    await soon(async () => (await server.command('KEYS', '*')) !== '');
    upstream.reset();
    expect((await manifest(two, organization, 'v2')).status).toBe(200);
    expect(tokens()).toBe(0);

    const used = upstream.requests.map(({ headers }) => headers.authorization?.replace('Bearer ', ''));
    const token = used.find((each) => each !== undefined) ?? '';
    expect(token).not.toBe('');
    for (const name of (await server.command('KEYS', '*')).split('\n')) {
      expect(name).not.toContain(organization);
      const value = await server.command('GET', name);
      for (const secret of [token, credentials.password]) {
        expect(value).not.toContain(secret);
        expect(Buffer.from(value.slice(2), 'base64url').toString('latin1')).not.toContain(secret);
      }
    }
  });

  test('changed credentials are used at once by both, whatever tokens there are', async () => {
    const organization = await organizationOn();
    await manifest(one, organization);
    await manifest(two, organization);
    const changed = { username: 'robot', password: 'another password' };
    upstream.setAuth({ kind: 'bearer', ...changed });
    upstream.revokeTokens();
    await one.api('PUT', `/api/v1/organization/${organization}/proxycache`, {
      upstream_registry_username: changed.username,
      upstream_registry_password: changed.password,
    });
    upstream.reset();
    expect((await manifest(one, organization, 'v2')).status).toBe(200);
    expect(tokens()).toBe(1);
    await soon(async () => (await manifest(two, organization, 'v2')).status === 200);
  });

  test('a change of settings and a tag that moved are heard of at once', async () => {
    const organization = await organizationOn();
    const path = `/api/v1/organization/${organization}/proxycache`;
    await soon(async () => (await digest(two, organization)) === image.manifest.digest);

    // Found by the poll, each round takes half a second on average: it comes once in a second.
    let waitedMs = 0;
    for (let round = 0; round < 8; round += 1) {
      const anonymous = round % 2 === 1;
      await sleep(250);
      await one.api('PUT', path, { anonymous_pull: anonymous });
      waitedMs += await soon(async () => (await manifest(two, organization)).status === (anonymous ? 200 : 401));
    }
    for (let round = 0; round < 4; round += 1) {
      const moved = buildImage({ seed: `moved ${round}` });
      upstream.move('team/app', 'v1', moved);
      clock.advance({ seconds: round === 0 ? 3_601 : 6_601 });
      await sleep(250);
      const began = performance.now();
      expect(await digest(one, organization)).toBe(moved.manifest.digest);
      // Fresh again for whoever does not know that it has moved, and too young for a check ahead.
      clock.advance({ seconds: -3_000 });
      await soon(async () => (await digest(two, organization)) === moved.manifest.digest);
      waitedMs += performance.now() - began;
    }
    expect(waitedMs).toBeLessThan(2_000);
  });

  test('Redis is killed in the middle: everything stays right', async () => {
    const organization = await organizationOn();
    await manifest(one, organization);
    await server.kill();

    expect((await pullImage(two.url, `${organization}/team/app`, 'v2')).problems).toEqual([]);
    expect((await pullImage(one.url, `${organization}/team/app`, 'v1')).problems).toEqual([]);
    const moved = buildImage({ seed: 'moved' });
    upstream.move('team/app', 'v1', moved);
    clock.advance({ seconds: 3_601 });
    expect(await digest(one, organization)).toBe(moved.manifest.digest);
    await soon(async () => (await digest(two, organization)) === moved.manifest.digest);
    await one.api('PUT', `/api/v1/organization/${organization}/proxycache`, { anonymous_pull: false });
    expect((await manifest(one, organization)).status).toBe(401);
    await soon(async () => (await manifest(two, organization)).status === 401);

    await server.start();
    await listening();
  });

  test('Redis hangs: pulls go on, and after the first command nobody asks it', async () => {
    const organization = await organizationOn();
    await manifest(one, organization);
    const asked = () => relay.sent('GETRANGE', 'SET', 'DEL', 'PUBLISH');
    server.freeze();
    const before = asked();
    for (let each = 0; each < 20; each += 1) {
      for (const [index, registry] of [one, two].entries()) {
        upstream.add(`team/app${each}`, `v${index}`, image);
        const answer = await rawGet(`${registry.url}/v2/${organization}/team/app${each}/manifests/v${index}`);
        expect(answer.status).toBe(200);
      }
    }
    expect((await one.api('PUT', `/api/v1/organization/${organization}/proxycache`, { expiration_s: 99 })).status).toBe(
      200,
    );
    // Forty tokens were wanted. Each registry may have found out by a look-up and a write that were under way together.
    expect(tokens()).toBeGreaterThanOrEqual(40);
    expect(asked() - before).toBeLessThanOrEqual(4);
    server.thaw();
    let more = 0;
    await soon(async () => {
      more += 1;
      upstream.add(`team/more${more}`, 'v1', image);
      await rawGet(`${one.url}/v2/${organization}/team/more${more}/manifests/v1`);
      return lines.some(({ message }) => message === 'Redis is used again');
    });
  });

  test('poisoned tokens in Redis cost a token and nothing else', async () => {
    const organization = await organizationOn();
    await manifest(one, organization);
    await soon(async () => (await server.command('KEYS', '*')) !== '');
    for (const name of (await server.command('KEYS', '*')).split('\n')) await server.command('SET', name, '1.garbage');
    upstream.reset();
    expect((await manifest(two, organization, 'v2')).status).toBe(200);
    expect(tokens()).toBe(1);
  });
});
