import {
  type BuiltImage,
  buildImage,
  type FaultUpstream,
  type MovableClock,
  movableClock,
  pullImage,
  rawGet,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';

// F143 to F149. The registry's time is that of Postgres, which these tests hold; the wall clock is Date.now.

const S = 7 * 86_400;
const C = 3_600;
const YEAR_MS = 365 * 86_400_000;

const wallNow = Date.now;
let clock: MovableClock;
let breakwater: TestRegistry;
let upstream: FaultUpstream;
let upstreamClock: MovableClock;
let image: BuiltImage;
let organization: string;
let images = 0;

beforeAll(async () => {
  clock = movableClock(Date.now());
  breakwater = await startTestRegistry({ clock });
}, 60_000);
afterAll(() => breakwater?.close());

beforeEach(async () => {
  upstreamClock = movableClock(clock.now());
  upstream = await startFaultUpstream({ auth: { kind: 'bearer' }, clock: upstreamClock });
  images += 1;
  image = buildImage({ seed: `clocks ${images}` });
  upstream.add('team/app', 'v1', image);
  const settings = { upstream_registry: upstream.host, staleness_period_s: S, check_interval_s: C };
  organization = await breakwater.proxyOrganization(settings);
});
afterEach(async () => {
  Date.now = wallNow;
  await upstream.close();
});

const pull = () => pullImage(breakwater.url, `${organization}/team/app`, 'v1');
const manifest = () => rawGet(`${breakwater.url}/v2/${organization}/team/app/manifests/v1`);

async function cached(): Promise<void> {
  expect((await pull()).problems).toEqual([]);
  upstream.reset();
}

test.each([
  ['F143: an hour ahead', 3_600_000],
  ['F143: a year ahead', YEAR_MS],
  ['F144: a year behind', -YEAR_MS],
])('%s of the wall clock changes nothing', async (_what, ms) => {
  await cached();
  Date.now = () => wallNow() + ms;
  const { problems, manifest: answer } = await pull();
  expect(problems).toEqual([]);
  expect(answer.headers).toMatchObject({ age: '0' });
  expect(answer.headers['warning']).toBeUndefined();
  expect(upstream.count()).toBe(0);
  const plan = await breakwater.registry.gc.runOnce({ dryRun: true });
  expect(plan).toMatchObject({ outcome: 'done', expiredTotal: 0 });
});

test('F144: tokens that were fetched before the wall clock went back end when they should', async () => {
  await cached();
  Date.now = () => wallNow() - YEAR_MS;
  clock.advance({ hours: 2 });
  upstreamClock.set(clock.now());
  expect((await pull()).problems).toEqual([]);
  expect(upstream.count({ kind: 'token' })).toBe(1);
});

test('F145: a day ahead of the time of Postgres is a day of age', async () => {
  await cached();
  await upstream.kill();
  clock.advance({ days: 1 });
  expect(await manifest()).toMatchObject({ status: 200, headers: { age: String(86_400) } });
  clock.advance({ days: 7 });
  expect(await manifest()).toMatchObject({ status: 503 });
});

test('F146: back of the time of Postgres is an age of 0, never below', async () => {
  await cached();
  clock.advance({ hours: -5 });
  const answer = await manifest();
  expect(answer).toMatchObject({ status: 200, headers: { age: '0' } });
  expect(answer.headers['cache-status']).toBe(`Breakwater; hit; ttl=${C}`);
  expect(upstream.count()).toBe(0);
  clock.advance({ hours: 5 });
});

test('F148: after a sleep of eight hours, fifty pulls at once are one check', async () => {
  await cached();
  clock.advance({ hours: 8 });
  upstreamClock.set(clock.now());
  const answers = await Promise.all(Array.from({ length: 50 }, manifest));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  // One that came with a token which had ended, if it did, and one with a new token.
  expect(upstream.count({ kind: 'manifest', method: 'HEAD' })).toBeLessThanOrEqual(2);
  expect(upstream.count({ kind: 'manifest', method: 'GET' })).toBe(0);
});

test.each([-YEAR_MS * 20, YEAR_MS * 20])('F149: an upstream whose clock is %i ms off is as any other', async (ms) => {
  upstreamClock.advance({ ms });
  const date = new Date(upstreamClock.now()).toUTCString();
  upstream.fault({ kind: 'headers', headers: { Date: date, 'Last-Modified': date, Expires: date, Age: '999999999' } });
  await cached();
  const answer = await manifest();
  expect(answer).toMatchObject({ status: 200, headers: { age: '0' } });
  expect(answer.headers['expires']).toBeUndefined();
  expect(upstream.count()).toBe(0);
});
