import { setTimeout as sleep } from 'node:timers/promises';
import type { ProxyCacheEventName, ProxyCacheEvents } from '@breakwater/proxy-cache';
import type { LogFields, Logger } from '@breakwater/registry-core';
import {
  type ApiAnswer,
  type BuiltImage,
  buildImage,
  type FaultUpstream,
  movableClock,
  type RawAnswer,
  rawGet,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { hashPassword } from '../src/access/password.js';
import { PostgresUsers } from '../src/postgres/postgres-users.js';

const S = 3_600;
const START = Date.UTC(2024, 1, 29, 13, 7, 31);
const SECRET = 'the-password-of-the-upstream';
const clock = movableClock(START);
const lines: { readonly level: string; readonly fields: LogFields; readonly message: string }[] = [];
const log = (level: string) => (fields: LogFields, message: string) => void lines.push({ level, fields, message });
const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };

let breakwater: TestRegistry;
let upstream: FaultUpstream;
let image: BuiltImage;

beforeAll(async () => {
  breakwater = await startTestRegistry({ clock, logger });
  const users = new PostgresUsers({ database: breakwater.state.database.knex, clock });
  const passwordHash = await hashPassword('member password');
  await users.put({ name: 'member', passwordHash, isAdministrator: false });
});
afterAll(() => breakwater?.close());
beforeEach(async () => {
  clock.advance({ hours: 48 });
  lines.length = 0;
  // Each test has an upstream of its own, so that none meets what is known of another's origin.
  upstream = await startFaultUpstream({ clock });
  image = buildImage({ seed: 7, layers: [1_000] });
  upstream.add('team/app', 'v1', image);
});
afterEach(() => upstream.close());

test('an outage is seen in events, in health, in metrics and in the log', async () => {
  const organization = await proxying({ check_interval_s: 0 });
  await pull(organization);
  expect((await health(organization)).body).toMatchObject({
    status: 'up',
    upstream: upstream.host,
    origin: '127.0.0.1',
    known_down_since: null,
    failure_class: null,
    last_success_at: iso(clock.now()),
    rate_limit: { limit: null, remaining: null, at: null },
    cached: { tags: 1, lapsed: 0, oldest_confirmed_at: iso(clock.now()) },
    last_24h: { shielded_pulls: 0, masked_errors: 0, passed_errors: 0, counts: {} },
  });
  const confirmedAt = clock.now();
  const before = await metrics();

  await upstream.kill();
  clock.advance({ seconds: S / 2 });
  const downSince = clock.now();
  const told = listen('shielded-pull', 'masked-error', 'passed-error', 'upstream-down');
  await pull(organization, { id: 'the-first-pull' });
  await pull(organization, { id: 'the-second-pull' });
  expect((await pull(organization, { tag: 'not-cached', id: 'the-third-pull' })).status).toBe(503);

  const content = { organization, repository: 'team/app', reference: 'v1' };
  const shielded = { ...content, failureClass: 'connect', why: 'outage', digest: image.manifest.digest };
  expect(told).toEqual([
    ['upstream-down', { origin: upstream.origins.registry, organizations: [organization], failureClass: 'connect' }],
    ['masked-error', { ...content, failureClass: 'connect', ageMs: 500 * S, requestId: 'the-first-pull' }],
    ['shielded-pull', { ...shielded, ageMs: 500 * S, requestId: 'the-first-pull' }],
    ['shielded-pull', { ...shielded, ageMs: 500 * S, requestId: 'the-second-pull' }],
    ['passed-error', { ...content, reference: 'not-cached', failureClass: 'connect', requestId: 'the-third-pull' }],
  ]);

  const answer = await health(organization);
  expect(answer.body).toMatchObject({
    status: 'down',
    known_down_since: iso(downSince),
    failure_class: 'connect',
    upstream_status: null,
    retry_after_until: null,
    last_success_at: iso(confirmedAt),
    last_failure_at: iso(downSince),
    last_failure_class: 'connect',
    cached: { tags: 1, lapsed: 0, oldest_confirmed_at: iso(confirmedAt) },
    last_24h: {
      shielded_pulls: 2,
      masked_errors: 1,
      passed_errors: 1,
      counts: { shielded_pull: { connect: 2 }, masked_error: { connect: 1 }, passed_error: { connect: 1 } },
    },
  });
  const { next_check_at: nextCheckAt } = answer.body as { next_check_at: string };
  expect(Date.parse(nextCheckAt)).toBeGreaterThan(clock.now());

  const minute = Math.floor(downSince / 60_000) * 60_000;
  expect((await events(organization, '?by=minute')).body).toEqual({
    period: '24h',
    by: 'minute',
    from: iso(minute - 86_400_000),
    to: iso(minute + 60_000),
    buckets: [
      {
        start: iso(minute),
        counts: {
          shielded_pull: { connect: 2 },
          masked_error: { connect: 1 },
          passed_error: { connect: 1 },
          upstream_down: { connect: 1 },
        },
      },
    ],
  });

  const after = await metrics();
  const grown = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0);
  expect(grown('breakwater_shielded_pulls_total{class="connect"}')).toBe(2);
  expect(grown('breakwater_masked_errors_total{class="connect"}')).toBe(1);
  expect(grown('breakwater_passed_errors_total{class="connect"}')).toBe(1);
  expect(grown('breakwater_upstream_outages_total{class="connect"}')).toBe(1);
  expect(grown('breakwater_upstream_retries_total')).toBeGreaterThanOrEqual(2);
  expect(grown('breakwater_stale_age_seconds_count')).toBe(2);
  expect(grown('breakwater_stale_age_seconds_sum')).toBe(S);

  expect(linesOf('the-first-pull')).toEqual([
    ['warn', 'a check failed and no client saw it'],
    ['info', 'a pull was shielded from its upstream'],
  ]);
  expect(linesOf('the-third-pull')).toEqual([['warn', 'a failure of the upstream was passed on']]);
  const { fields } = lines.find(({ message }) => message === 'a pull was shielded from its upstream') ?? {};
  expect(fields).toEqual({
    ...content,
    failure_class: 'connect',
    why: 'outage',
    digest: image.manifest.digest,
    age_s: S / 2,
    request_id: 'the-first-pull',
  });

  // A day later it is out of the last 24 hours, and still on the timeline of the week. The image has lapsed.
  clock.advance({ hours: 25 });
  expect((await health(organization)).body).toMatchObject({
    cached: { tags: 1, lapsed: 1 },
    last_24h: { shielded_pulls: 0, counts: {} },
  });
  expect((await events(organization)).body).toMatchObject({ period: '24h', by: 'hour', buckets: [] });
  expect((await events(organization, '?period=7d')).body).toMatchObject({
    buckets: [{ start: iso(Math.floor(downSince / 3_600_000) * 3_600_000) }],
  });

  const recovered = listen('upstream-recovered');
  await upstream.revive();
  await pull(organization);
  expect(recovered).toMatchObject([['upstream-recovered', { downForMs: clock.now() - downSince }]]);
  expect((await health(organization)).body).toMatchObject({ status: 'up', known_down_since: null });
});

test('when an upstream answered last, and what it tells of its rate limit, are metrics', async () => {
  const organization = await proxying({ check_interval_s: 0 });
  const told = { 'RateLimit-Limit': '100;w=21600', 'RateLimit-Remaining': '42;w=21600' };
  upstream.fault({ kind: 'headers', headers: told });
  await pull(organization);
  const { registry: origin } = upstream.origins;
  const remaining = `breakwater_rate_limit_remaining{origin="${origin}",organization=""}`;
  for (let tries = 0; tries < 200 && (await metrics()).get(remaining) === undefined; tries += 1) await sleep(20);
  const seen = await metrics();
  expect(seen.get(remaining)).toBe(42);
  expect(seen.get(`breakwater_upstream_last_success_timestamp_seconds{origin="${origin}"}`)).toBe(clock.now() / 1000);
  expect(seen.get('breakwater_event_loop_lag_seconds')).toBeGreaterThanOrEqual(0);
  expect(seen.get('breakwater_downloads_shed_total')).toBe(0);
});

test('pulls that wait for one check are one masked error, and as many shielded pulls', async () => {
  const organization = await proxying({ check_interval_s: 0 });
  await pull(organization);
  upstream.fault({ kind: 'no-answer', by: 'stall' });
  clock.advance({ seconds: 1 });
  const answers = await Promise.all(Array.from({ length: 5 }, () => pull(organization)));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  expect(await lastDay(organization)).toEqual({
    shielded_pull: { timeout: 5 },
    masked_error: { timeout: 1 },
    upstream_down: { timeout: 1 },
  });
});

test('a copy that has lapsed says its age when the failure is passed on', async () => {
  const organization = await proxying({ check_interval_s: 0 });
  await pull(organization);
  upstream.fault({ kind: 'status', status: 502 });
  clock.advance({ seconds: S + 1 });
  const told = listen('passed-error');
  expect((await pull(organization, { id: 'a-lapsed-pull' })).status).toBe(503);
  expect(told).toMatchObject([
    [
      'passed-error',
      { failureClass: 'server_error', upstreamStatus: 502, ageMs: 1000 * (S + 1), requestId: 'a-lapsed-pull' },
    ],
  ]);
  expect((await health(organization)).body).toMatchObject({ upstream_status: 502, failure_class: 'server_error' });
});

test('rejected credentials are told once, and never shown', async () => {
  upstream.setAuth({ kind: 'basic', username: 'bot', password: SECRET });
  const organization = await proxying({
    check_interval_s: 0,
    upstream_registry_username: 'bot',
    upstream_registry_password: SECRET,
  });
  expect((await pull(organization)).status).toBe(200);
  upstream.setAuth({ kind: 'basic', username: 'bot', password: 'another' });
  clock.advance({ seconds: 60 });
  const told = listen('credentials-rejected', 'shielded-pull');
  await pull(organization, { id: 'the-first-refused' });
  clock.advance({ seconds: 10 });
  await pull(organization);
  await pull(organization, { tag: 'another' });
  expect(told.map(([name]) => name)).toEqual(['credentials-rejected', 'shielded-pull', 'shielded-pull']);
  expect(told[0]?.[1]).toMatchObject({ organization, failureClass: 'denied', requestId: 'the-first-refused' });
  clock.advance({ seconds: 31 });
  await pull(organization);
  expect(told.filter(([name]) => name === 'credentials-rejected')).toHaveLength(2);

  expect(await lastDay(organization)).toMatchObject({ credentials_rejected: { denied: 2 } });
  const minute = Math.floor(clock.now() / 60_000) * 60_000;
  expect((await health(organization)).body).toMatchObject({
    status: 'up',
    outage: null,
    last_24h: { latest: { credentials_rejected: new Date(minute).toISOString() } },
  });
  const { bytes } = await rawGet(`${breakwater.url}/metrics`);
  const shown = [told, lines, await health(organization), await events(organization), bytes.toString()];
  expect(JSON.stringify(shown)).not.toContain(SECRET);
  expect(JSON.stringify(shown)).not.toContain(Buffer.from(`bot:${SECRET}`).toString('base64'));
});

test('what happened before an outage is not counted as of it', async () => {
  const organization = await proxying({ check_interval_s: 0 });
  await pull(organization);
  upstream.fault({ kind: 'status', status: 503 }, { times: 1 });
  await pull(organization, { tag: 'another' });
  clock.advance({ minutes: 5 });
  await pull(organization);
  expect((await health(organization)).body).toMatchObject({
    status: 'up',
    outage: null,
    last_24h: { passed_errors: 1 },
  });
  upstream.fault({ kind: 'status', status: 503 });
  await pull(organization);
  expect((await health(organization)).body).toMatchObject({
    status: 'down',
    outage: { shielded_pulls: 1, masked_errors: 1, passed_errors: 0 },
    last_24h: { passed_errors: 1 },
  });
});

test('wrong content is told with the request that met it', async () => {
  const organization = await proxying({});
  upstream.fault({ kind: 'bit-flip' }, { match: { kind: 'blob' } });
  upstream.fault({ kind: 'bit-flip' }, { match: { kind: 'manifest' } });
  const told = listen('integrity-failure', 'passed-error');
  const { digest = '' } = image.layers[0] ?? {};
  const blob = await rawGet(`${breakwater.url}/v2/${organization}/team/app/blobs/${digest}`, {
    headers: { 'x-request-id': 'the-wrong-blob' },
  });
  expect(blob.cut).toBe(true);
  expect((await pull(organization, { id: 'the-wrong-manifest' })).status).toBe(503);
  const event = { organization, repository: 'team/app', failureClass: 'integrity' };
  for (const [reference, requestId] of [
    [digest, 'the-wrong-blob'],
    ['v1', 'the-wrong-manifest'],
  ]) {
    expect(told).toContainEqual(['integrity-failure', { ...event, reference, requestId }]);
    // A body that is cut is a failure that a client saw.
    expect(told).toContainEqual(['passed-error', { ...event, reference, requestId }]);
  }
  expect(await lastDay(organization)).toEqual({
    integrity_failure: { integrity: 2 },
    passed_error: { integrity: 2 },
  });
});

test('a plain hit costs no event but its own, and no request id', async () => {
  const organization = await proxying({});
  await pull(organization);
  const told = listen('pull', 'shielded-pull', 'masked-error', 'passed-error');
  await pull(organization, { id: 'a-plain-hit' });
  expect(told).toEqual([
    ['pull', { organization, repository: 'team/app', reference: 'v1', kind: 'manifest', result: 'hit' }],
  ]);
  expect(linesOf('a-plain-hit')).toEqual([]);
});

test('two processes add up', async () => {
  await using second = await startTestRegistry({ on: breakwater.state, clock, logger });
  const organization = await proxying({ check_interval_s: 0 });
  await pull(organization);
  await upstream.kill();
  clock.advance({ seconds: 10 });
  await pull(organization);
  for (let count = 0; count < 3; count += 1) {
    expect((await rawGet(manifestUrl(second, organization, 'v1'))).status).toBe(200);
  }
  // Each writes before it answers, so that both have written when the second has been asked.
  await health(organization);
  const seen = await second.api('GET', `/api/v1/organization/${organization}/proxycache/health`);
  expect(seen.body).toMatchObject({ status: 'down', last_24h: { shielded_pulls: 4, masked_errors: 1 } });
  expect(await lastDay(organization)).toEqual((seen.body as { last_24h: { counts: unknown } }).last_24h.counts);
});

test('a registry that starts prunes what is older than 31 days', async () => {
  const { knex } = breakwater.state.database;
  const day = (days: number) => new Date(clock.now() - days * 86_400_000);
  const row = { organization: 'old', kind: 'masked_error', failure_class: 'dns', count: 1 };
  await knex('outage_minute').insert([
    { ...row, minute: day(32) },
    { ...row, minute: day(30) },
  ]);
  await using _second = await startTestRegistry({ on: breakwater.state, clock, logger });
  const left = () => knex('outage_minute').where({ organization: 'old' }).select<{ minute: Date }[]>('minute');
  for (const end = Date.now() + 5_000; (await left()).length > 1 && Date.now() < end; ) await sleep(20);
  expect(await left()).toEqual([{ minute: day(30) }]);
});

test('what is noted is written when a registry is closed', async () => {
  const organization = await proxying({ check_interval_s: 0 });
  const second = await startTestRegistry({ on: breakwater.state, clock, logger });
  await rawGet(manifestUrl(second, organization, 'none'));
  await second.close();
  expect(await lastDay(organization)).toEqual({ passed_error: { removed: 1 } });
});

/** The authoritative table (S25, S30): what each one gets, in which organization. */
const WHO = [
  { who: 'nobody', authorization: '', expected: [401, 401, 401] },
  { who: 'a wrong password', authorization: basic('admin', 'wrong'), expected: [401, 401, 401] },
  { who: 'a member of nothing', authorization: basic('member', 'member password'), expected: [403, 403, 403] },
  { who: 'an administrator', authorization: undefined, expected: [200, 404, 403] },
] as const;

test.each(['health', 'events'].flatMap((route) => WHO.map((each) => ({ route, ...each }))))(
  'rights: $who asks for $route',
  async ({ route, authorization, expected }) => {
    const organization = await proxying({});
    const hosted = await hostedOrganization();
    const answers = [];
    for (const name of [organization, hosted, 'missing', 'Not-A-Name', '..%2flab']) {
      const headers = authorization === undefined ? {} : { authorization };
      answers.push(await breakwater.api('GET', `/api/v1/organization/${name}/proxycache/${route}`, undefined, headers));
    }
    const [proxied, ofHosted, missing] = expected;
    expect(answers.map(({ status }) => status)).toEqual([proxied, ofHosted, missing, missing, missing]);
    const types = { 200: undefined, 401: 'invalid_token', 403: 'insufficient_scope', 404: 'not_found' };
    for (const { status, headers, body } of answers) {
      expect((body as { error_type?: string }).error_type).toBe(types[status as keyof typeof types]);
      expect(headers.has('www-authenticate')).toBe(status === 401);
      expect(headers.get('x-request-id')).not.toBeNull();
      // Alike to the byte, whether there is no right or no organization.
      if (status === missing) expect(body).toEqual(answers[2]?.body);
    }
  },
);

test('questions that make no sense are 400 and say what would', async () => {
  const organization = await proxying({});
  const answer = await events(organization, '?period=1y&by=second&next_page=x');
  expect(answer.status).toBe(400);
  expect(answer.body).toMatchObject({
    error_type: 'invalid_request',
    status: 400,
    detail:
      'period must be 24h, 7d or 30d, not "1y"; by must be minute, hour or day, not "second"; ' +
      'next_page must be the next_page of an answer to the same question; leave it out to begin anew.',
    problems: [{ field: 'period' }, { field: 'by' }, { field: 'next_page' }],
  });
  const written = await breakwater.api('POST', `/api/v1/organization/${organization}/proxycache/events`, {});
  expect(written.status).toBe(405);
  expect(written.headers.get('allow')).toBe('GET, HEAD');
  expect((await events('%zz')).status).toBe(400);
  const elsewhere = await breakwater.api('GET', `/api/v1/organization/${organization}/proxycache/else`);
  expect(elsewhere.status).toBe(404);
});

test('a listing by minute goes on with its token', async () => {
  const organization = await proxying({});
  await breakwater.state.database.knex.raw(
    `insert into outage_minute (organization, minute, kind, failure_class, count)
     select :organization, date_trunc('minute', :now::timestamptz) - n * interval '1 minute', 'shielded_pull', 'dns', 2
     from generate_series(0, 1200) n`,
    { organization, now: new Date(clock.now()) },
  );
  const first = (await events(organization, '?by=minute')).body as Listing;
  expect(first.buckets).toHaveLength(1_000);
  clock.advance({ minutes: 5 });
  const second = (await events(organization, `?by=minute&next_page=${first.next_page}`)).body as Listing;
  expect(second.buckets).toHaveLength(201);
  expect(second).toMatchObject({ from: first.from, to: first.to });
  expect(second.next_page).toBeUndefined();
  expect(new Set([...first.buckets, ...second.buckets].map(({ start }) => start)).size).toBe(1_201);
  const byDay = (await events(organization, '?period=30d')).body as Listing;
  expect(byDay.next_page).toBeUndefined();
  expect(byDay.buckets.map(({ counts }) => counts['shielded_pull']?.['dns'] ?? 0).reduce((a, b) => a + b)).toBe(2_402);
});

interface Listing {
  readonly from: string;
  readonly to: string;
  readonly buckets: readonly { readonly start: string; readonly counts: Record<string, Record<string, number>> }[];
  readonly next_page?: string;
}

function proxying(settings: Readonly<Record<string, unknown>>): Promise<string> {
  return breakwater.proxyOrganization({ upstream_registry: upstream.host, staleness_period_s: S, ...settings });
}

async function hostedOrganization(): Promise<string> {
  const name = `hosted${Math.floor(performance.now() * 1000)}`;
  expect((await breakwater.api('POST', '/api/v1/organization/', { name })).status).toBe(201);
  return name;
}

function manifestUrl({ url }: TestRegistry, organization: string, tag: string): string {
  return `${url}/v2/${organization}/team/app/manifests/${tag}`;
}

function pull(organization: string, { tag = 'v1', id = '' } = {}): Promise<RawAnswer> {
  const headers: Record<string, string> = id === '' ? {} : { 'x-request-id': id };
  return rawGet(manifestUrl(breakwater, organization, tag), { headers });
}

function health(organization: string): Promise<ApiAnswer> {
  return breakwater.api('GET', `/api/v1/organization/${organization}/proxycache/health`);
}

function events(organization: string, query = ''): Promise<ApiAnswer> {
  return breakwater.api('GET', `/api/v1/organization/${organization}/proxycache/events${query}`);
}

async function lastDay(organization: string): Promise<unknown> {
  return ((await health(organization)).body as { last_24h: { counts: unknown } }).last_24h.counts;
}

/** Events from now on, until the end of the test file. */
function listen(...names: ProxyCacheEventName[]): [ProxyCacheEventName, unknown][] {
  const told: [ProxyCacheEventName, unknown][] = [];
  for (const name of names) {
    breakwater.registry.proxyCache.events.on(name, (...payload: readonly [...ProxyCacheEvents[typeof name]]) => {
      told.push([name, payload[0]]);
    });
  }
  return told;
}

function linesOf(id: string): unknown[] {
  return lines.filter(({ fields }) => fields['request_id'] === id).map(({ level, message }) => [level, message]);
}

async function metrics(): Promise<ReadonlyMap<string, number>> {
  const { bytes } = await rawGet(`${breakwater.url}/metrics`);
  const samples = bytes.toString().matchAll(/^(breakwater_\S+) (\S+)$/gm);
  return new Map([...samples].map(([, name = '', value]) => [name, Number(value)]));
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
}
