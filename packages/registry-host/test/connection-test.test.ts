import {
  buildImage,
  type FaultUpstream,
  selfSignedCertificate,
  startBlackHole,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';

// "Test connection" without saving: how far it gets, and that it says no more of the target than that (S6).

let breakwater: TestRegistry;
let upstream: FaultUpstream;
let organization: string;
let made = 0;

beforeAll(async () => {
  breakwater = await startTestRegistry({
    deadlines: { checkBudgetMs: 500, clientBudgetMs: 1_000, headersMs: 700 },
    lookup: async (name) => {
      if (name === 'registry.test') return [{ address: '127.0.0.1', family: 4 }];
      if (name === 'private.test') return [{ address: '10.1.2.3', family: 4 }];
      throw new Error('ENOTFOUND');
    },
  });
});
afterAll(() => breakwater?.close());
beforeEach(async () => {
  upstream = await startFaultUpstream();
  upstream.add('team/app', 'v1', buildImage({ seed: 1 }));
  made += 1;
  organization = `lab${made}`;
  await breakwater.api('POST', '/api/v1/organization/', { name: organization });
});
afterEach(() => upstream.close());

interface Report {
  readonly ok: boolean;
  readonly steps: readonly { readonly step: string; readonly ok: boolean | null; readonly reason: string | null }[];
  readonly rate_limit: unknown;
}

const home = () => `/api/v1/organization/${organization}/proxycache`;
async function report(body: Readonly<Record<string, unknown>>): Promise<Report> {
  const answer = await breakwater.api('POST', `${home()}/test`, { insecure: true, ...body });
  expect(answer).toMatchObject({ status: 200 });
  return answer.body as Report;
}
/** The steps in short: `+` went well, `-` failed, and why. */
const short = ({ steps }: Report) =>
  steps.map(({ step, ok, reason }) =>
    `${ok === true ? '+' : ok === false ? '-' : ' '}${step} ${reason ?? ''}`.trimEnd(),
  );

const REACHED = ['+name', '+address', '+connection', ' tls not_needed', '+registry'];

test('all steps of an open registry, with a sample image and what is left of the rate limit', async () => {
  upstream.fault({
    kind: 'headers',
    headers: { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '76;w=21600' },
  });
  const found = await report({ upstream_registry: upstream.host, sample: 'team/app:v1' });
  expect(short(found)).toEqual([...REACHED, ' token not_needed', '+sample', '+rate_limit']);
  expect(found).toMatchObject({ ok: true, rate_limit: { limit: 100, remaining: 76 } });
  // Nothing was saved, and nothing is remembered of it.
  expect((await breakwater.api('GET', home())).body).toEqual({ upstream_registry: '', expiration_s: '', insecure: '' });
  expect(await breakwater.state.database.knex('upstream_health').select('*')).toEqual([]);
  expect(upstream.count({ method: 'GET', kind: 'manifest' })).toBe(0);
});

test('a sample that is not there, one that only others may have, and none', async () => {
  upstream.setAuth({
    kind: 'bearer',
    username: 'bot',
    password: 'right',
    anonymous: true,
    privateRepositories: ['team/app'],
  });
  const anonymous = { upstream_registry: upstream.host };
  const bot = { ...anonymous, upstream_registry_username: 'bot', upstream_registry_password: 'right' };
  expect(short(await report({ ...bot, sample: 'team/app:v1' })).slice(5)).toEqual([
    '+token',
    '+sample',
    ' rate_limit not_told',
  ]);
  expect(short(await report({ ...bot, sample: 'team/app:v2' })).slice(5, 7)).toEqual(['+token', '-sample removed']);
  expect(short(await report({ ...anonymous, sample: 'team/app:v1' })).slice(5, 7)).toEqual([
    '+token',
    '-sample denied',
  ]);
  expect(short(await report(anonymous)).slice(5, 7)).toEqual(['+token', ' sample not_asked']);
  const wrong = { ...bot, upstream_registry_password: 'wrong' };
  expect(short(await report(wrong)).slice(4)).toEqual([
    '+registry',
    '-token denied',
    ' sample not_reached',
    ' rate_limit not_reached',
  ]);
  expect((await breakwater.api('POST', `${home()}/test`, { ...bot, sample: 'team/app' })).body).toMatchObject({
    problems: [
      { field: 'sample', message: 'must be repository:tag, for example library/alpine:latest, or be left out' },
    ],
  });
});

test('a rate limit that is spent is a failed step', async () => {
  upstream.fault({ kind: 'headers', headers: { 'ratelimit-limit': '100', 'ratelimit-remaining': '0' } });
  const found = await report({ upstream_registry: upstream.host, sample: 'team/app:v1' });
  expect(found).toMatchObject({ ok: false, rate_limit: { limit: 100, remaining: 0 } });
  expect(short(found).at(-1)).toBe('-rate_limit rate_limited');
});

test('names, addresses, ports and TLS that lead nowhere', async () => {
  expect(short(await report({ upstream_registry: 'nowhere.test' })).slice(0, 2)).toEqual([
    '-name dns',
    ' address not_reached',
  ]);
  expect(short(await report({ upstream_registry: 'private.test' })).slice(0, 3)).toEqual([
    '+name',
    '-address blocked',
    ' connection not_reached',
  ]);
  expect(short(await report({ upstream_registry: '169.254.169.254' })).slice(1, 3)).toEqual([
    '-address blocked',
    ' connection not_reached',
  ]);
  const { port } = upstream;
  await upstream.close();
  expect(short(await report({ upstream_registry: `registry.test:${port}` })).slice(1, 4)).toEqual([
    '+address',
    '-connection connect',
    ' tls not_reached',
  ]);

  await using hole = await startBlackHole();
  expect(short(await report({ upstream_registry: hole.host })).slice(2, 4)).toEqual([
    '-connection timeout',
    ' tls not_reached',
  ]);

  await using secure = await startFaultUpstream({ tls: selfSignedCertificate({ names: ['127.0.0.1'] }) });
  const tls = { upstream_registry: secure.host, insecure: false };
  expect(short(await report(tls)).slice(2, 5)).toEqual(['+connection', '-tls tls', ' registry not_reached']);
  const plain = { ...tls, insecure: true };
  expect(short(await report(plain)).find((each) => each.startsWith('-'))).toMatch(
    /^-(connection connect|registry protocol)$/,
  );
});

test.each([
  ['a web page', { kind: 'captive-portal' }, '-registry protocol'],
  ['an error', { kind: 'status', status: 500 }, '-registry server_error'],
] as const)('%s in place of a registry, of which nothing is told but that', async (_what, fault, expected) => {
  upstream.fault(fault);
  const found = await report({ upstream_registry: upstream.host });
  expect(short(found).find((each) => each.startsWith('-'))).toBe(expected);
  expect(found.ok).toBe(false);
  // Only words of ours: no status line, header, body, address or time of the target.
  expect(Object.keys(found).sort()).toEqual(['ok', 'rate_limit', 'steps']);
  for (const step of found.steps) {
    expect(Object.keys(step).sort()).toEqual(['ok', 'reason', 'step']);
    expect(step.reason ?? '').toMatch(/^[a-z_]*$/);
  }
});

test('a stored password is tried at its own origin, and never sent to another (S13)', async () => {
  upstream.setAuth({ kind: 'bearer', username: 'bot', password: 'stored password' });
  const saved = {
    upstream_registry: upstream.host,
    insecure: true,
    upstream_registry_username: 'bot',
    upstream_registry_password: 'stored password',
  };
  expect((await breakwater.api('POST', home(), saved)).status).toBe(201);
  expect(short(await report({}))).toContain('+token');
  expect(short(await report({ staleness_period_s: 60, upstream_registry_password: 'another' }))).toContain(
    '-token denied',
  );

  await using other = await startFaultUpstream({
    auth: { kind: 'basic', username: 'bot', password: 'stored password' },
  });
  const moved = await breakwater.api('POST', `${home()}/test`, { upstream_registry: other.host });
  expect(moved).toMatchObject({ status: 400, body: { problems: [{ field: 'upstream_registry_password' }] } });
  expect(other.count()).toBe(0);
  // Saving it is refused alike, and works with the password; the cache of the first host is not the second one's (F170).
  const put = (body: object) => breakwater.api('PUT', home(), body);
  expect((await put({ upstream_registry: other.host })).status).toBe(400);
  expect((await put({ upstream_registry: other.host, upstream_registry_password: 'stored password' })).status).toBe(
    200,
  );
  expect(short(await report({}))).toContain('+token');
});

test('two administrators do not overwrite each other: the later one is told (F173)', async () => {
  await breakwater.api('POST', home(), { upstream_registry: upstream.host, insecure: true });
  const one = await breakwater.api('GET', home());
  const etag = one.headers.get('etag') ?? '';
  const first = await breakwater.api('PUT', home(), { staleness_period_s: 7_200 }, { 'if-match': etag });
  expect(first.status).toBe(200);
  const second = await breakwater.api('PUT', home(), { staleness_period_s: 60 }, { 'if-match': etag });
  expect(second).toMatchObject({ status: 412, body: { error_type: 'precondition_failed' } });
  expect((await breakwater.api('GET', home())).body).toMatchObject({ staleness_period_s: 7_200 });
  const again = await breakwater.api(
    'PUT',
    home(),
    { staleness_period_s: 60 },
    { 'if-match': first.headers.get('etag') ?? '' },
  );
  expect(again).toMatchObject({ status: 200, body: { staleness_period_s: 60 } });
});
