import { chmod, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isLoopback, parseListenAddress } from './listen-address.js';
import { type ConfigProblem, readConfig } from './read-config.js';
import { loadOrCreateSecret } from './secret-file.js';
import { parseSecretKey } from './secret-key.js';
import { settingsTable } from './settings-table.js';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'read-config-'));
});
afterAll(() => rm(directory, { recursive: true }));

function problemsOf(env: Record<string, string>): readonly ConfigProblem[] {
  try {
    readConfig(env);
  } catch (error) {
    expect(error).toMatchObject({ name: 'ConfigError', code: 'CONFIG_INVALID' });
    return (error as { problems: readonly ConfigProblem[] }).problems;
  }
  return [];
}

test('nothing set: the defaults', () => {
  expect(readConfig({ PATH: '/bin' })).toEqual({
    listen: { host: '127.0.0.1', port: 5000 },
    loopbackOnly: true,
    dataDir: resolve('data'),
    databaseUrl: undefined,
    storageUrl: `file://${resolve('data/storage')}`,
    secretKey: undefined,
    adminPassword: undefined,
    upstreamAllowedHosts: [],
    upstreamProxyUrl: undefined,
    upstreamRealms: [],
    checkBudgetMs: 2_000,
    clientBudgetMs: 15_000,
    maxDownloads: 64,
    maxDownloadsPerOrganization: 8,
    maxRefusalsPerClient: 200,
    publicUrl: undefined,
    defaultOrganization: undefined,
    maxManifestBytes: 4_194_304,
    maxConnections: 10_000,
    maxConnectionsPerClient: 2_000,
    clientIdleS: 60,
    auditRetentionDays: 365,
    logLevel: 'info',
    seedOrganizations: true,
    gcIntervalS: 900,
    gcGraceS: 3600,
    gcHoldS: 2_592_000,
    scrubRateMibS: 8,
    scrubIntervalS: 604_800,
    quarantineS: 2_592_000,
    warnings: [],
  });
});

test('everything set', () => {
  const config = readConfig({
    BREAKWATER_LISTEN: '[::]:80',
    BREAKWATER_DATA_DIR: '/srv/data',
    BREAKWATER_DATABASE_URL: 'postgres://u:p@db.example/breakwater',
    BREAKWATER_REDIS_URL: 'rediss://u:p@redis.example:6380/1',
    BREAKWATER_STORAGE_URL: 'file:///srv/blobs',
    BREAKWATER_SECRET_KEY: 'ab'.repeat(32),
    BREAKWATER_ADMIN_PASSWORD: ' spaces are kept ',
    BREAKWATER_UPSTREAM_ALLOWED_HOSTS: 'registry.lan:5000, 10.0.0.0/8,[fd00::1]:5000 ,fd00::/8,',
    BREAKWATER_UPSTREAM_PROXY_URL: 'http://u:p@proxy.example:3128',
    BREAKWATER_UPSTREAM_REALMS: 'registry.lan=login.lan, Registry.example.com = login.example.net,',
    BREAKWATER_CHECK_BUDGET_MS: '100',
    BREAKWATER_CLIENT_BUDGET_MS: '25000',
    BREAKWATER_MAX_DOWNLOADS: '1',
    BREAKWATER_MAX_DOWNLOADS_PER_ORGANIZATION: '1000',
    BREAKWATER_MAX_REFUSALS_PER_CLIENT: '0',
    BREAKWATER_PUBLIC_URL: 'https://registry.example.com/',
    BREAKWATER_DEFAULT_ORGANIZATION: 'dockerhub',
    BREAKWATER_MAX_MANIFEST_BYTES: '33554432',
    BREAKWATER_MAX_CONNECTIONS: '0',
    BREAKWATER_MAX_CONNECTIONS_PER_CLIENT: '7',
    BREAKWATER_CLIENT_IDLE_S: '0',
    BREAKWATER_AUDIT_RETENTION_DAYS: '0',
    BREAKWATER_LOG_LEVEL: 'debug',
    BREAKWATER_SEED_ORGANIZATIONS: 'none',
    BREAKWATER_GC_INTERVAL_S: '1',
    BREAKWATER_GC_GRACE_S: '0',
    BREAKWATER_GC_HOLD_S: '0',
  });
  expect(config).toMatchObject({
    listen: { host: '::', port: 80 },
    loopbackOnly: false,
    dataDir: '/srv/data',
    databaseUrl: 'postgres://u:p@db.example/breakwater',
    redisUrl: 'rediss://u:p@redis.example:6380/1',
    storageUrl: 'file:///srv/blobs',
    secretKey: { readAs: 'hex' },
    adminPassword: ' spaces are kept ',
    upstreamAllowedHosts: ['registry.lan:5000', '10.0.0.0/8', '[fd00::1]:5000', 'fd00::/8'],
    upstreamProxyUrl: 'http://u:p@proxy.example:3128',
    upstreamRealms: [
      { registry: 'registry.lan', realm: 'login.lan' },
      { registry: 'registry.example.com', realm: 'login.example.net' },
    ],
    checkBudgetMs: 100,
    clientBudgetMs: 25_000,
    maxDownloads: 1,
    maxDownloadsPerOrganization: 1_000,
    maxRefusalsPerClient: 0,
    publicUrl: 'https://registry.example.com',
    defaultOrganization: 'dockerhub',
    maxManifestBytes: 33_554_432,
    maxConnections: 0,
    maxConnectionsPerClient: 7,
    clientIdleS: 0,
    auditRetentionDays: 0,
    logLevel: 'debug',
    seedOrganizations: false,
    gcIntervalS: 1,
    gcGraceS: 0,
    gcHoldS: 0,
  });
});

test.each([
  'redis-sentinel://u:hunter2@a.example:26379/main',
  'redis+cluster://a.example:7000',
  'redis://a.example:6379,b.example:6379',
])('several Redis servers that are one are not supported, which is said: %s', (url) => {
  const problems = problemsOf({ BREAKWATER_REDIS_URL: url });
  expect(problems).toMatchObject([{ variable: 'BREAKWATER_REDIS_URL' }]);
  expect(problems[0]?.problem).toContain('Sentinel, Cluster and lists of hosts are not supported');
  expect(problems[0]?.problem).not.toContain('hunter2');
});

test('all mistakes at once, each with what was wrong and what would be right', () => {
  const problems = problemsOf({
    BREAKWATER_LISTEN: '5000',
    BREAKWATER_DATABASE_URL: 'mysql://root:hunter2@db/x',
    BREAKWATER_REDIS_URL: 'redis-host:6379',
    BREAKWATER_STORAGE_URL: 's3://bucket',
    BREAKWATER_SECRET_KEY: 'too short',
    BREAKWATER_UPSTREAM_ALLOWED_HOSTS: 'good.example,https://bad.example',
    BREAKWATER_UPSTREAM_PROXY_URL: 'socks5://robot:hunter2@proxy:1080',
    BREAKWATER_UPSTREAM_REALMS: 'registry.lan=login.lan,https://registry.lan=login.lan',
    BREAKWATER_CHECK_BUDGET_MS: '99',
    BREAKWATER_CLIENT_BUDGET_MS: '25001',
    BREAKWATER_MAX_DOWNLOADS: '0',
    BREAKWATER_MAX_DOWNLOADS_PER_ORGANIZATION: '1.5',
    BREAKWATER_MAX_REFUSALS_PER_CLIENT: '-1',
    BREAKWATER_PUBLIC_URL: 'https://registry.example.com/path',
    BREAKWATER_MAX_MANIFEST_BYTES: '33554433',
    BREAKWATER_MAX_CONNECTIONS: '-1',
    BREAKWATER_MAX_CONNECTIONS_PER_CLIENT: 'many',
    BREAKWATER_LOG_LEVEL: 'loud',
    BREAKWATER_SEED_ORGANIZATIONS: 'nothing',
    BREAKWATER_GC_INTERVAL_S: '0',
    BREAKWATER_GC_GRACE_S: '-1',
    BREAKWATER_GC_HOLD_S: '1h',
    BREAKWATER_GC_GRACE: '1',
  });
  expect(problems.map(({ variable, problem }) => `${variable} ${problem}`)).toEqual([
    'BREAKWATER_LISTEN is "5000", but must be host:port, for example 127.0.0.1:5000, [::1]:5000 or 0.0.0.0:5000',
    'BREAKWATER_DATABASE_URL has a value that cannot be used: it must be a URL such as postgres://user:password@host:5432/database',
    'BREAKWATER_REDIS_URL has a value that cannot be used: it must be a URL such as redis://user:password@host:6379/0, or rediss:// with TLS',
    'BREAKWATER_STORAGE_URL is "s3://bucket", but must be file:/// and an absolute path, for example file:///var/lib/breakwater',
    'BREAKWATER_SECRET_KEY has a value that cannot be used: it must be at least 32 bytes in hex or base64, or a text of at least 32 characters; "openssl rand -base64 32" makes one',
    'BREAKWATER_UPSTREAM_ALLOWED_HOSTS is "good.example,https://bad.example", but must be host, host:port or CIDR, comma separated, for example registry.lan:5000,10.0.0.0/8; "https://bad.example" is none of them',
    'BREAKWATER_UPSTREAM_PROXY_URL has a value that cannot be used: it must be a URL such as http://proxy.example:3128 or http://user:password@proxy.example:3128',
    'BREAKWATER_UPSTREAM_REALMS is "registry.lan=login.lan,https://registry.lan=login.lan", but must be registry host=token server host, comma separated, for example registry.example.com=login.example.net; "https://registry.lan=login.lan" is not',
    'BREAKWATER_CHECK_BUDGET_MS is "99", but must be a whole number of milliseconds from 100 to 15000',
    'BREAKWATER_CLIENT_BUDGET_MS is "25001", but must be a whole number of milliseconds from 100 to 25000',
    'BREAKWATER_MAX_DOWNLOADS is "0", but must be a whole number from 1 to 1000',
    'BREAKWATER_MAX_DOWNLOADS_PER_ORGANIZATION is "1.5", but must be a whole number from 1 to 1000',
    'BREAKWATER_MAX_REFUSALS_PER_CLIENT is "-1", but must be a whole number from 0 to 1000000',
    'BREAKWATER_PUBLIC_URL is "https://registry.example.com/path", but must be http:// or https:// and a host, without a path, for example https://registry.example.com',
    'BREAKWATER_MAX_MANIFEST_BYTES is "33554433", but must be a whole number from 65536 to 33554432',
    'BREAKWATER_MAX_CONNECTIONS is "-1", but must be a whole number from 0 to 1000000',
    'BREAKWATER_MAX_CONNECTIONS_PER_CLIENT is "many", but must be a whole number from 0 to 1000000',
    'BREAKWATER_LOG_LEVEL is "loud", but must be debug, info, warn or error',
    'BREAKWATER_SEED_ORGANIZATIONS is "nothing", but must be default or none',
    'BREAKWATER_GC_INTERVAL_S is "0", but must be a whole number of seconds from 1 to 1209600',
    'BREAKWATER_GC_GRACE_S is "-1", but must be a whole number of seconds from 0 to 315360000',
    'BREAKWATER_GC_HOLD_S is "1h", but must be a whole number of seconds from 0 to 315360000',
    'BREAKWATER_GC_GRACE is not a setting; did you mean BREAKWATER_GC_GRACE_S?',
  ]);
});

describe('beyond loopback (S32)', () => {
  const secrets = { BREAKWATER_ADMIN_PASSWORD: 'long enough', BREAKWATER_SECRET_KEY: 'k'.repeat(32) };

  test.each(['0.0.0.0:5000', '[::]:5000', '192.0.2.1:5000', 'registry.example:5000', '[::ffff:127.0.0.1]:1'])(
    '%s needs a password and a key that somebody chose',
    (listen) => {
      expect(problemsOf({ BREAKWATER_LISTEN: listen }).map((each) => each.variable)).toEqual([
        'BREAKWATER_ADMIN_PASSWORD',
        'BREAKWATER_SECRET_KEY',
      ]);
      expect(problemsOf({ BREAKWATER_LISTEN: listen, ...secrets })).toEqual([]);
      expect(problemsOf({ BREAKWATER_LISTEN: listen, ...secrets, BREAKWATER_ADMIN_PASSWORD: 'short' })).toHaveLength(1);
    },
  );

  test.each(['127.0.0.1:5000', '127.8.8.8:0', '[::1]:5000', '[0:0::1]:5000', 'localhost:5000'])(
    '%s needs neither',
    (listen) => {
      expect(problemsOf({ BREAKWATER_LISTEN: listen })).toEqual([]);
    },
  );
});

test.each(['', 'host', ':5000', '::1:5000', '127.0.0.1', '127.0.0.1:70000', '1.2.3:5000', 'a/b:1', '[fe80::1%eth0]:1'])(
  '%p is nowhere to listen',
  (text) => {
    expect(parseListenAddress(text)).toBeUndefined();
  },
);

test('loopback is told by the address', () => {
  expect(isLoopback({ host: '::1', port: 1 })).toBe(true);
  expect(isLoopback({ host: 'LOCALHOST', port: 1 })).toBe(true);
  expect(isLoopback({ host: '127.example.com', port: 1 })).toBe(false);
});

describe('other variables', () => {
  test('what is far from every setting is a warning, so is nothing of Kubernetes', () => {
    const { warnings } = readConfig({
      BREAKWATER_S3_BUCKET: 'x',
      BREAKWATER_SERVICE_HOST: '10.0.0.1',
      BREAKWATER_SERVICE_PORT_HTTP: '80',
      BREAKWATER_PORT: 'tcp://10.0.0.1:80',
      BREAKWATER_PORT_80_TCP_ADDR: '10.0.0.1',
    });
    expect(warnings).toEqual([
      expect.stringMatching(/^BREAKWATER_S3_BUCKET is not a setting; did you mean BREAKWATER_/),
    ]);
  });

  test('an empty variable is one that is not set', () => {
    expect(readConfig({ BREAKWATER_LISTEN: '', BREAKWATER_SECRET_KEY: ' ' }).listen.port).toBe(5000);
  });
});

describe('secrets in files', () => {
  test('are read without the line feed at their end', async () => {
    const file = join(directory, 'password');
    await writeFile(file, ' the password \n');
    expect(readConfig({ BREAKWATER_ADMIN_PASSWORD_FILE: file }).adminPassword).toBe(' the password ');
  });

  test('are refused when missing, empty, or given twice', async () => {
    const empty = join(directory, 'empty');
    await writeFile(empty, '\n');
    const problems = problemsOf({
      BREAKWATER_ADMIN_PASSWORD_FILE: join(directory, 'nowhere'),
      BREAKWATER_SECRET_KEY_FILE: empty,
      BREAKWATER_DATABASE_URL: 'postgres://db/x',
      BREAKWATER_DATABASE_URL_FILE: empty,
    });
    expect(problems.map((each) => each.variable).sort()).toEqual([
      'BREAKWATER_ADMIN_PASSWORD_FILE',
      'BREAKWATER_DATABASE_URL_FILE',
      'BREAKWATER_SECRET_KEY_FILE',
    ]);
  });
});

test('nobody waits longer for a check than for what nothing can take the place of', () => {
  const problems = problemsOf({ BREAKWATER_CHECK_BUDGET_MS: '5000', BREAKWATER_CLIENT_BUDGET_MS: '4999' });
  expect(problems.map(({ variable, problem }) => `${variable} ${problem}`)).toEqual([
    'BREAKWATER_CLIENT_BUDGET_MS is "4999", but must not be less than BREAKWATER_CHECK_BUDGET_MS, which is 5000',
  ]);
  expect(problemsOf({ BREAKWATER_CHECK_BUDGET_MS: '5000', BREAKWATER_CLIENT_BUDGET_MS: '5000' })).toEqual([]);
});

test.each(['a', 'a=', '=b', 'a=b=c', 'a:443=b', 'a=b/token', 'a b=c', 'https://a=b'])(
  '%p is no pair of realms',
  (text) => {
    expect(problemsOf({ BREAKWATER_UPSTREAM_REALMS: text })).toHaveLength(1);
  },
);

test('the URL of a Redis has a host, at most a database, and no settings of the client', () => {
  for (const url of ['redis://localhost', 'redis://:p%40ss@10.0.0.1:6379/0', 'rediss://[::1]:6380/']) {
    expect(readConfig({ BREAKWATER_REDIS_URL: url }).redisUrl).toBe(url);
  }
  const wrong = [
    'redis://',
    'redis:localhost',
    'redis://h/a',
    'redis://h?commandTimeout=99999',
    'redis://h/0#x',
    '6379',
  ];
  for (const url of wrong) expect(problemsOf({ BREAKWATER_REDIS_URL: url })).toHaveLength(1);
});

test('the URL of an outbound proxy is plain http and a host, and nothing after it', () => {
  for (const url of [
    'http://proxy',
    'http://proxy:3128/',
    'http://a%40b:c%3Ad@[::1]:3128',
    'http://user@10.0.0.1:80',
  ]) {
    expect(readConfig({ BREAKWATER_UPSTREAM_PROXY_URL: url }).upstreamProxyUrl).toBe(url);
  }
  const wrong = [
    'proxy:3128',
    'https://proxy:3128',
    'http://',
    'http://proxy/path',
    'http://proxy?',
    'http://%zz:x@proxy',
  ];
  for (const url of wrong) expect(problemsOf({ BREAKWATER_UPSTREAM_PROXY_URL: url })).toHaveLength(1);
});

test('a key says how it was read', () => {
  const bytes = Buffer.alloc(32, 200);
  expect(parseSecretKey(bytes.toString('hex'))).toEqual({ bytes, readAs: 'hex' });
  expect(parseSecretKey(bytes.toString('base64'))).toEqual({ bytes, readAs: 'base64' });
  expect(parseSecretKey('a phrase that is long enough, really')?.readAs).toBe('text');
  expect(parseSecretKey('abcdefghijklmnopqrstuvwxyzabcdefghij')?.readAs).toBe('text');
  expect(parseSecretKey('a phrase that is not enough')).toBeUndefined();
  expect(parseSecretKey(Buffer.alloc(23).toString('base64'))).toMatchObject({ readAs: 'text' });
  expect(parseSecretKey(Buffer.alloc(15).toString('hex'))).toBeUndefined();
});

test('the table has every setting once, and says what happens without a value', () => {
  expect(new Set(settingsTable.map((entry) => entry.name)).size).toBe(settingsTable.length);
  for (const entry of settingsTable) expect(entry.default !== undefined || 'otherwise' in entry).toBe(true);
});

describe('generated secrets', () => {
  test('are made once, private, and the same for all who come at once', async () => {
    const file = join(directory, 'deeper', 'secret-key');
    let made = 0;
    const generate = () => {
      made += 1;
      return `secret ${made}`;
    };
    const results = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateSecret(file, generate)));
    expect(new Set(results.map((each) => each.secret)).size).toBe(1);
    expect(results.filter((each) => each.created)).toHaveLength(1);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await readFile(file, 'utf8')).trim()).toBe(results[0]?.secret);
    expect(await loadOrCreateSecret(file, generate)).toEqual({ secret: results[0]?.secret, created: false });
  });

  test('are not taken from a file that others may read, an empty one, or one that is none', async () => {
    const invalid = { code: 'SECRET_FILE_INVALID' };
    const file = join(directory, 'open-to-others');
    await writeFile(file, 'secret\n');
    await chmod(file, 0o640);
    await expect(loadOrCreateSecret(file, () => 'new')).rejects.toMatchObject(invalid);
    await chmod(file, 0o600);
    expect((await loadOrCreateSecret(file, () => 'new')).secret).toBe('secret');
    const empty = join(directory, 'empty-secret');
    await writeFile(empty, '', { mode: 0o600 });
    await expect(loadOrCreateSecret(empty, () => 'new')).rejects.toMatchObject(invalid);
    await expect(loadOrCreateSecret(directory, () => 'new')).rejects.toMatchObject(invalid);
    const dangling = join(directory, 'dangling');
    await symlink(join(directory, 'nowhere'), dangling);
    await expect(loadOrCreateSecret(dangling, () => 'new')).rejects.toMatchObject(invalid);
  });
});
