import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { org, startCluster, type TestCluster, type TestProcess } from './support/harness.js';

let cluster: TestCluster;
let server: TestProcess;
let count = 0;
let path = '';
let name = '';

beforeAll(async () => {
  cluster = await startCluster();
  server = await cluster.startProcess();
});
afterAll(() => cluster.stop());
beforeEach(() => {
  count += 1;
  name = `org${count}`;
  path = `/api/v1/organization/${name}/proxycache`;
  server.probe.refused.clear();
  server.probe.outcome = 'valid';
});

const DEFAULTS = {
  upstream_registry: 'docker.io',
  insecure: false,
  expiration_s: 86_400,
  staleness_period_s: 86_400,
  check_interval_s: null,
  serve_when_removed: true,
  serve_when_denied: true,
  anonymous_pull: false,
  prefetch: 'image',
  prefetch_max_bytes: 10_737_418_240,
  quota_bytes: null,
  has_credentials: false,
  upstream_ca_fingerprints: [],
};

async function create(fields: Record<string, unknown> = {}) {
  const answer = await server.call('POST', path, { upstream_registry: 'docker.io', ...fields });
  expect([answer.status, answer.json]).toEqual([201, 'Created']);
}

describe('the life of a configuration', () => {
  test("Quay's way: none, create, read, delete, none", async () => {
    const none = await server.call('GET', path);
    expect([none.status, none.json]).toEqual([200, { upstream_registry: '', expiration_s: '', insecure: '' }]);
    expect(none.headers.get('etag')).toBeNull();
    await create({ org_name: name, upstream_registry_username: null, upstream_registry_password: null });
    const read = await server.call('GET', path);
    expect([read.status, read.json]).toEqual([200, DEFAULTS]);
    expect(read.headers.get('content-type')).toBe('application/json');
    const removed = await server.call('DELETE', path);
    expect([removed.status, removed.json]).toEqual([201, 'Deleted']);
    expect((await server.call('GET', path)).json).toEqual(none.json);
  });

  test("a second one is refused with Quay's text", async () => {
    await create();
    const again = await server.call('POST', path, { upstream_registry: 'quay.io' });
    expect([again.status, again.json]).toEqual([
      400,
      {
        detail: 'Proxy Cache Configuration already exists',
        error_message: 'Proxy Cache Configuration already exists',
        error_type: 'invalid_request',
        title: 'invalid_request',
        type: '/api/v1/error/invalid_request',
        status: 400,
      },
    ]);
  });

  test.each([
    ['DELETE', undefined],
    ['PUT', { staleness_period_s: 5 }],
  ])('%s with nothing configured is 404', async (method, body) => {
    const answer = await server.call(method, path, body);
    expect(answer.status).toBe(404);
    expect(answer.json).toMatchObject({ error_type: 'not_found', error_message: 'Not Found' });
  });

  test('saving and deleting send nothing to the upstream', async () => {
    const before = server.probe.validated.length;
    await create();
    await server.call('PUT', path, { upstream_registry: 'quay.io' });
    await server.call('DELETE', path);
    expect(server.probe.validated.length).toBe(before);
  });

  test('0 and null are values of their own', async () => {
    await create({ staleness_period_s: 0, check_interval_s: 0, expiration_s: 0 });
    expect((await server.call('GET', path)).json).toMatchObject({
      staleness_period_s: 0,
      check_interval_s: 0,
      expiration_s: 0,
    });
    await server.call('PUT', path, { check_interval_s: null });
    expect((await server.call('GET', path)).json).toMatchObject({ staleness_period_s: 0, check_interval_s: null });
  });
});

describe('refusals', () => {
  test("list every mistake, in Quay's shape", async () => {
    const answer = await server.call('POST', path, { staleness_period_s: '3600', check_interval: 5 });
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({ error_type: 'invalid_request', status: 400 });
    expect(answer.json.problems.map((problem: { field: string }) => problem.field)).toEqual([
      'upstream_registry',
      'staleness_period_s',
      '"check_interval"',
    ]);
    expect(answer.json.detail).toMatch(/3600 without quotes/);
    expect(answer.json.error_message).toBe(answer.json.detail);
  });

  test('of bodies that cannot be read never repeat them', async () => {
    const broken = await server.call('POST', path, '{"upstream_registry_password":"canary');
    expect([broken.status, broken.json.error_type]).toEqual([400, 'invalid_request']);
    expect(broken.text).not.toContain('canary');
    const large = await server.call('POST', path, { upstream_registry: 'x'.repeat(200_000) });
    expect([large.status, large.json.error_type]).toEqual([413, 'invalid_request']);
    const form = await server.call('POST', path, 'upstream_registry=docker.io', {
      'content-type': 'application/x-www-form-urlencoded',
    });
    expect([form.status, form.json.detail]).toEqual([400, expect.stringMatching(/Content-Type: application\/json/)]);
    const text = await server.call('POST', path, '{"upstream_registry":"docker.io"}', { 'content-type': 'text/plain' });
    expect(text.status).toBe(400);
  });

  test('of forms and plain text also come where the host parses every body, or browsers could be made to send one', async () => {
    const host = await cluster.startProcess({ hostParsesBodies: true });
    for (const type of ['application/x-www-form-urlencoded', 'text/plain']) {
      const answer = await host.call('POST', path, 'upstream_registry=docker.io', { 'content-type': type });
      expect([answer.status, answer.json.detail]).toEqual([
        400,
        expect.stringMatching(/Content-Type: application\/json/),
      ]);
    }
    expect((await host.call('POST', path, { upstream_registry: 'docker.io' })).status).toBe(201);
  });

  test('of an address that is not allowed, at creation and change, save nothing', async () => {
    server.probe.refused.add('metadata.example');
    const text =
      'The provided registry URL is not allowed. An operator can allow it with BREAKWATER_UPSTREAM_ALLOWED_HOSTS.';
    for (const route of [path, path.replace('proxycache', 'validateproxycache')]) {
      const answer = await server.call('POST', route, { upstream_registry: 'metadata.example' });
      expect([answer.status, answer.json.detail]).toEqual([400, text]);
    }
    expect((await server.call('GET', path)).json.upstream_registry).toBe('');
    await create();
    const answer = await server.call('PUT', path, { upstream_registry: 'metadata.example' });
    expect([answer.status, answer.json.detail]).toEqual([400, text]);
    expect((await server.call('GET', path)).json).toEqual(DEFAULTS);
  });

  test('of an address stop at the address: other fields can be saved while it resolves to something else', async () => {
    await create();
    server.probe.refused.add('docker.io');
    const answer = await server.call('PUT', path, { staleness_period_s: 1_000_000, upstream_registry: 'docker.io' });
    expect([answer.status, answer.json.staleness_period_s]).toEqual([200, 1_000_000]);
  });

  test('of methods and paths that are not there', async () => {
    const patch = await server.call('PATCH', path, {});
    expect([patch.status, patch.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST, PUT, DELETE']);
    expect((await server.call('GET', path.replace('proxycache', 'validateproxycache'))).status).toBe(405);
    expect((await server.call('GET', '/api/v1/organization/a%zz/proxycache')).status).toBe(400);
    expect((await server.call('GET', `${path}/health`)).status).toBe(418);
    expect((await server.call('GET', '/api/v1/organization/acme')).status).toBe(418);
  });
});

describe('PUT', () => {
  test('changes what it names, keeps the rest, and answers with the whole', async () => {
    await create({ expiration_s: 7, anonymous_pull: true });
    const answer = await server.call('PUT', path, { staleness_period_s: 259_200, check_interval_s: 3_600 });
    const whole = {
      ...DEFAULTS,
      expiration_s: 7,
      anonymous_pull: true,
      staleness_period_s: 259_200,
      check_interval_s: 3_600,
    };
    expect([answer.status, answer.json]).toEqual([200, whole]);
    const read = await server.call('GET', path);
    expect(read.json).toEqual(whole);
    expect(read.headers.get('etag')).toBe(answer.headers.get('etag'));
  });

  test('of what a GET returned changes nothing, not even the version', async () => {
    await create();
    const read = await server.call('GET', path);
    const answer = await server.call('PUT', path, read.json);
    expect([answer.status, answer.json]).toEqual([200, read.json]);
    expect(answer.headers.get('etag')).toBe(read.headers.get('etag'));
  });

  test('is checked as a whole', async () => {
    await create({ check_interval_s: 3_600 });
    const answer = await server.call('PUT', path, { staleness_period_s: 60 });
    expect([answer.status, answer.json.detail]).toEqual([400, expect.stringMatching(/^check_interval_s \(3600\)/)]);
  });

  test('twenty at once lose nothing', async () => {
    await create();
    const fields = ['staleness_period_s', 'expiration_s'];
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        server.call('PUT', path, { [String(fields[index % 2])]: 1_000 + (index % 2) }),
      ),
    );
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]));
    expect((await server.call('GET', path)).json).toMatchObject({ staleness_period_s: 1_000, expiration_s: 1_001 });
  });
});

describe('ETag and If-Match', () => {
  test('the tag is strong and differs for each state, also after DELETE and POST', async () => {
    const tags: (string | null)[] = [];
    for (let round = 0; round < 2; round += 1) {
      await create();
      tags.push((await server.call('GET', path)).headers.get('etag'));
      tags.push((await server.call('PUT', path, { expiration_s: 5 })).headers.get('etag'));
      await server.call('DELETE', path);
    }
    expect(tags.every((tag) => /^"\d+"$/.test(String(tag)))).toBe(true);
    expect(new Set(tags).size).toBe(4);
  });

  test('of two administrators the second one is told (F173)', async () => {
    await create();
    const read = await server.call('GET', path);
    const ifMatch = { 'if-match': String(read.headers.get('etag')) };
    expect((await server.call('PUT', path, { expiration_s: 5 }, ifMatch)).status).toBe(200);
    const late = await server.call('PUT', path, { expiration_s: 6 }, ifMatch);
    expect(late.status).toBe(412);
    expect(late.json).toMatchObject({ error_type: 'precondition_failed', status: 412 });
    expect((await server.call('DELETE', path, undefined, ifMatch)).status).toBe(412);
    expect((await server.call('GET', path)).json.expiration_s).toBe(5);
    expect((await server.call('DELETE', path, undefined, { 'if-match': '*' })).status).toBe(201);
    expect((await server.call('DELETE', path, undefined, ifMatch)).status).toBe(404);
  });

  test('one of many at once wins', async () => {
    await create();
    const ifMatch = { 'if-match': String((await server.call('GET', path)).headers.get('etag')) };
    const answers = await Promise.all(
      [1, 2, 3, 4, 5].map((value) => server.call('PUT', path, { expiration_s: value }, ifMatch)),
    );
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 412, 412, 412, 412]);
  });
});

describe('credentials', () => {
  const CREDENTIALS = { upstream_registry_username: 'bot-canary', upstream_registry_password: 'pass-canary' };

  test('are written, used, and never shown', async () => {
    await create(CREDENTIALS);
    const read = await server.call('GET', path);
    expect(read.json).toEqual({ ...DEFAULTS, has_credentials: true });
    expect((await server.orgSettings.settings.find(org(name)))?.credentials).toEqual({
      username: 'bot-canary',
      password: 'pass-canary',
    });
  });

  test('are encrypted in the database, and neither the audit nor the log knows them', async () => {
    await create(CREDENTIALS);
    await server.call('PUT', path, { upstream_registry_password: 'second-canary' });
    await server.call('PUT', path, { upstream_registry_password: 'third-canary\n' });
    const { rows } = await cluster.database.knex.raw(
      `select to_jsonb(c) || jsonb_build_object('raw', encode(c.credentials, 'escape')) as row
       from proxy_cache_config c
       union all select to_jsonb(a) from proxy_cache_audit a`,
    );
    expect(JSON.stringify(rows)).not.toContain('canary');
    expect(JSON.stringify(server.logger.lines)).not.toContain('canary');
  });

  test('PUT keeps, renames, replaces and removes them', async () => {
    const stored = async () => (await server.orgSettings.settings.find(org(name)))?.credentials;
    await create(CREDENTIALS);
    await server.call('PUT', path, { expiration_s: 4 });
    expect(await stored()).toEqual({ username: 'bot-canary', password: 'pass-canary' });
    await server.call('PUT', path, { upstream_registry_username: 'other' });
    expect(await stored()).toEqual({ username: 'other', password: 'pass-canary' });
    await server.call('PUT', path, { upstream_registry_password: 'new' });
    expect(await stored()).toEqual({ username: 'other', password: 'new' });
    const removed = await server.call('PUT', path, { upstream_registry_password: null });
    expect(removed.json.has_credentials).toBe(false);
    expect(await stored()).toBeUndefined();
  });

  test('go to another host only when they are entered again (S13)', async () => {
    await create(CREDENTIALS);
    const refused = await server.call('PUT', path, { upstream_registry: 'evil.example' });
    expect([refused.status, refused.json.problems[0].field]).toEqual([400, 'upstream_registry_password']);
    expect(refused.json.detail).toContain('https://docker.io');
    expect((await server.call('GET', path)).json.upstream_registry).toBe('docker.io');
    const moved = await server.call('PUT', path, {
      upstream_registry: 'quay.io',
      upstream_registry_password: 'again',
    });
    expect([moved.status, moved.json.upstream_registry]).toEqual([200, 'quay.io']);
  });

  test('have a version that differs whenever upstream or credentials change, and only then', async () => {
    const versions: (number | undefined)[] = [];
    const note = async () => versions.push((await server.orgSettings.settings.find(org(name)))?.credentialVersion);
    await create(CREDENTIALS);
    await note();
    for (const body of [
      { upstream_registry_password: 'pass-canary' },
      { upstream_registry_username: 'x' },
      { upstream_registry: 'docker.io/library' },
      { upstream_registry_password: null },
    ]) {
      await server.call('PUT', path, body);
      await note();
    }
    await server.call('DELETE', path);
    await create();
    await note();
    expect(new Set(versions).size).toBe(6);
    await server.call('PUT', path, { expiration_s: 9 });
    await note();
    expect(versions[6]).toBe(versions[5]);
  });

  test('cannot be used from the row of another organization', async () => {
    await create(CREDENTIALS);
    const other = `${name}b`;
    await server.call('POST', path.replace(name, other), { upstream_registry: 'evil.example' });
    await cluster.database.knex.raw(
      `update proxy_cache_config set credentials =
         (select credentials from proxy_cache_config where organization = ?) where organization = ?`,
      [name, other],
    );
    const fresh = await cluster.startProcess();
    await expect(fresh.orgSettings.settings.find(org(other))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect((await fresh.orgSettings.settings.find(org(name)))?.credentials?.password).toBe('pass-canary');
  });
});

describe('with another secret key', () => {
  test('only organizations with credentials fail, and say why; entering them again helps', async () => {
    await create({ upstream_registry_username: 'bot', upstream_registry_password: 'lost' });
    const plain = `${name}b`;
    await server.call('POST', path.replace(name, plain), { upstream_registry: 'quay.io' });
    const other = await cluster.startProcess({ secretKey: Buffer.alloc(32, 8) });
    const { settings } = other.orgSettings;
    await other.orgSettings.start();
    expect((await settings.find(org(plain)))?.upstream).toBe('quay.io');
    for (let pull = 0; pull < 3; pull += 1) {
      await expect(settings.find(org(name))).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        status: 503,
        message: expect.stringMatching(/cannot be decrypted/),
        detail: { reason: 'database', problem: 'credentials_unreadable' },
      });
    }
    const ours = other.logger.lines.filter((line) => line.fields['organization'] === name);
    expect(ours).toMatchObject([{ level: 'error', fields: { code: 'SECRET_KEY_MISMATCH' } }]);
    expect((await other.call('GET', path)).json.has_credentials).toBe(true);
    const half = await other.call('PUT', path, { upstream_registry_password: 'new' });
    expect([half.status, half.json.detail]).toEqual([400, expect.stringMatching(/cannot be decrypted/)]);
    const both = { upstream_registry_username: 'bot', upstream_registry_password: 'new' };
    expect((await other.call('PUT', path, both)).status).toBe(200);
    expect((await settings.find(org(name)))?.credentials?.password).toBe('new');
  });
});

describe('validateproxycache', () => {
  const validate = (body: unknown) => server.call('POST', path.replace('proxycache', 'validateproxycache'), body);
  const failure = (failureClass: string) => Object.assign(new Error('with details'), { class: failureClass });

  test.each([
    ['valid', 202, 'Valid'],
    ['anonymous', 202, 'Anonymous'],
  ] as const)('%s is %d %s, and nothing is saved', async (outcome, status, text) => {
    server.probe.outcome = outcome;
    const answer = await validate({
      upstream_registry: 'docker.io/library',
      upstream_registry_username: 'a',
      upstream_registry_password: 'b',
      insecure: true,
    });
    expect([answer.status, answer.json]).toEqual([status, text]);
    expect(server.probe.validated.at(-1)).toEqual({
      upstream: 'docker.io/library',
      insecure: true,
      credentials: { username: 'a', password: 'b' },
    });
    expect((await server.call('GET', path)).json.upstream_registry).toBe('');
  });

  test('says of a failure its class and no more', async () => {
    server.probe.outcome = failure('denied');
    expect((await validate({ upstream_registry: 'docker.io' })).json).toMatchObject({
      detail: 'Failed login to remote registry. Please verify entered details and try again.',
      status: 400,
    });
    server.probe.outcome = failure('dns');
    const answer = await validate({ upstream_registry: 'docker.io' });
    expect(answer.json).toMatchObject({
      status: 400,
      error_message: 'Failed to validate Proxy cache configuration',
      detail: 'Failed to validate Proxy cache configuration: Upstream Name Not Resolved',
      reason: 'dns',
    });
    expect(answer.text).not.toContain('details');
    server.probe.outcome = Object.assign(new Error(''), { failureClass: 'timeout' });
    expect((await validate({ upstream_registry: 'docker.io' })).json.reason).toBe('timeout');
    server.probe.outcome = failure('blocked');
    expect((await validate({ upstream_registry: 'docker.io' })).json.detail).toMatch(/is not allowed\. An operator/);
  });

  test('is refused for what a POST would refuse', async () => {
    expect((await validate({})).status).toBe(400);
    await create();
    expect((await validate({ upstream_registry: 'quay.io' })).json.detail).toMatch(/already exists/);
  });

  test('a failure that nobody foresaw is 500 without its text', async () => {
    server.probe.outcome = new Error('secret internals');
    const answer = await validate({ upstream_registry: 'docker.io' });
    expect(answer.status).toBe(500);
    expect(answer.text).not.toContain('internals');
    expect(answer.json.detail).toContain(String(answer.headers.get('x-request-id')));
  });
});

describe('the audit', () => {
  test('has one row per write: who, what, when', async () => {
    await create({ upstream_registry_username: 'bot', upstream_registry_password: 'x' });
    cluster.clock.advance({ hours: 1 });
    const at = new Date(cluster.clock.now());
    const changed = { staleness_period_s: 60, upstream_registry_password: 'y' };
    await server.call('PUT', path, changed, { authorization: 'Bearer root' });
    await server.call('PUT', path, { staleness_period_s: 60 });
    await server.call('DELETE', path);
    const rows = await cluster.database
      .knex('proxy_cache_audit')
      .where({ organization: name })
      .orderBy('change_number')
      .select('performed_by', 'kind', 'changes', 'at');
    expect(rows).toMatchObject([
      {
        performed_by: 'admin',
        kind: 'create_proxy_cache_config',
        changes: { ...DEFAULTS, has_credentials: true },
      },
      {
        performed_by: 'root',
        kind: 'update_proxy_cache_config',
        changes: { staleness_period_s: { from: 86_400, to: 60 }, credentials: 'replaced' },
        at,
      },
      { performed_by: 'admin', kind: 'delete_proxy_cache_config', changes: { upstream_registry: 'docker.io' } },
    ]);
  });

  test('a write whose audit row cannot be written does not happen', async () => {
    await create();
    await cluster.database.knex.raw(
      "alter table proxy_cache_audit add constraint none check (at < '2000-01-01') not valid",
    );
    try {
      expect((await server.call('PUT', path, { expiration_s: 1 })).status).toBe(500);
      expect((await server.call('DELETE', path)).status).toBe(500);
    } finally {
      await cluster.database.knex.raw('alter table proxy_cache_audit drop constraint none');
    }
    expect((await server.call('GET', path)).json).toEqual(DEFAULTS);
  });
});

describe('programmatic creation', () => {
  test('has the same rules and defaults, no address check, and answers twice differently', async () => {
    server.probe.refused.add('localhost');
    const { settings } = server.orgSettings;
    await settings.create(org(name), { upstream: 'localhost:5000', insecure: true, stalenessPeriodS: 259_200 });
    expect(await settings.find(org(name))).toMatchObject({
      organization: name,
      upstream: 'localhost:5000',
      insecure: true,
      stalenessPeriodS: 259_200,
      expirationS: 86_400,
    });
    await expect(settings.create(org(name), { upstream: 'quay.io' })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    await expect(settings.create(org(`${name}b`), { upstream: 'https://x', expirationS: -1 })).rejects.toMatchObject({
      code: 'INVALID',
      message: expect.stringMatching(/upstream_registry .*; expiration_s/),
    });
  });
});
