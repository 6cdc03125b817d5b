import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { rawGet } from '@breakwater/test-kit';
import { afterEach, beforeEach, expect, test } from '@jest/globals';

// The registry as `npm start` runs it: a process of its own, on the embedded Postgres. It runs what was built.

const MAIN = [process.execPath, resolve('packages/registry-host/dist/main.js')] as const;
const NPM_START = ['npm', 'start', '--silent'] as const;

let directory: string;
let children: ChildProcess[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'breakwater-start-'));
});
afterEach(async () => {
  for (const child of children) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
  children = [];
  await postgresIsGone();
  await rm(directory, { recursive: true, force: true });
});

/** A killed registry's Postgres ends by itself, a moment later. */
async function postgresIsGone(): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    const running = await stat(join(directory, 'postgres', 'postmaster.pid')).catch(() => undefined);
    if (running === undefined) return;
    await sleep(20);
  }
}

interface Started {
  readonly child: ChildProcess;
  readonly url: string;
  output(): string;
}

type Env = Readonly<Record<string, string>>;

function run(
  env: Env,
  [program, ...args]: readonly [string, ...string[]] = MAIN,
): { child: ChildProcess; output: () => string } {
  const child = spawn(program, args, {
    env: { PATH: process.env['PATH'], BREAKWATER_DATA_DIR: directory, BREAKWATER_LISTEN: '127.0.0.1:0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let text = '';
  const take = (chunk: Buffer) => {
    text += chunk.toString();
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  return { child, output: () => text };
}

async function start(env: Env = {}, command?: readonly [string, ...string[]]): Promise<Started> {
  const { child, output } = run(env, command);
  const url = await new Promise<string>((resolve, reject) => {
    const look = () => {
      const found = /^Breakwater is ready at (\S+)$/m.exec(output())?.[1];
      if (found !== undefined && output().includes('library/alpine')) resolve(found);
    };
    child.stdout?.on('data', look);
    child.once('exit', () => reject(new Error(`it ended: ${output()}`)));
  });
  return { child, url, output };
}

async function fails(env: Env): Promise<string> {
  const { child, output } = run(env);
  await once(child, 'exit');
  expect(child.exitCode).toBe(1);
  return output();
}

const basic = (password: string) => ({ authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}` });

test('a first start makes an administrator and four organizations, and says what to type', async () => {
  const { url, output, child } = await start();
  expect(output()).toContain(`podman pull --tls-verify=false ${new URL(url).host}/dockerhub/library/alpine`);
  const file = join(directory, 'admin-password');
  expect(output()).toContain(file);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await stat(join(directory, 'secret-key'))).mode & 0o777).toBe(0o600);
  const headers = basic((await readFile(file, 'utf8')).trim());

  const upstreams = { dockerhub: 'docker.io', quay: 'quay.io', ghcr: 'ghcr.io', k8s: 'registry.k8s.io' };
  for (const [organization, upstream] of Object.entries(upstreams)) {
    const answer = await rawGet(`${url}/api/v1/organization/${organization}/proxycache`, { headers });
    expect(JSON.parse(answer.bytes.toString())).toMatchObject({
      upstream_registry: upstream,
      check_interval_s: 3_600,
      staleness_period_s: 259_200,
      anonymous_pull: true,
    });
  }
  expect((await rawGet(`${url}/livez`)).status).toBe(200);

  const ended = once(child, 'exit');
  child.kill('SIGINT');
  await ended;
  expect(child.exitCode).toBe(0);
}, 60_000);

test('what supervises npm start stops the registry with it', async () => {
  const { url, child, output } = await start({ HOME: directory }, NPM_START);
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  while (!output().includes('SIGTERM: finishing what is under way')) await sleep(20);
  // It accepts for 5 s more, so that whoever routes to it can see this.
  expect((await rawGet(`${url}/readyz`)).status).toBe(503);
  await ended;
  await postgresIsGone();
  await expect(rawGet(`${url}/livez`)).rejects.toThrow('ECONNREFUSED');
}, 60_000);

test('killed at once and started again it has what it had; the anonymous seeds close beyond loopback; Redis may be gone', async () => {
  const first = await start();
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');

  const password = (await readFile(join(directory, 'admin-password'), 'utf8')).trim();
  const second = await start({
    BREAKWATER_LISTEN: '0.0.0.0:0',
    BREAKWATER_ADMIN_PASSWORD: `${password}-another-one`,
    BREAKWATER_SECRET_KEY: 'a secret key of the tests that is long enough',
    BREAKWATER_REDIS_URL: 'redis://127.0.0.1:1',
  });
  const url = second.url.replace('0.0.0.0', '127.0.0.1');
  expect((await rawGet(`${url}/v2/`, { headers: basic(password) })).status).toBe(401);
  const answer = await rawGet(`${url}/api/v1/organization/dockerhub/proxycache`, {
    headers: basic(`${password}-another-one`),
  });
  expect(JSON.parse(answer.bytes.toString())).toMatchObject({ anonymous_pull: false });
  expect((await rawGet(`${url}/v2/dockerhub/library/alpine/manifests/latest`)).status).toBe(401);
  // F104: a Redis that is not there is told of once, by us, and not by ioredis for each attempt.
  expect(second.output().match(/Redis cannot be used; going on without it/g)).toHaveLength(1);
  expect(second.output()).not.toContain('[ioredis]');
}, 60_000);

test('a second start on the same directory says so in one line', async () => {
  await start();
  const output = await fails({});
  expect(output).toContain('BREAKWATER_DATABASE_URL');
  expect(output).not.toContain('    at ');
}, 60_000);

test('what cannot be is said at once, all of it', async () => {
  const output = await fails({
    BREAKWATER_LISTEN: 'nonsense',
    BREAKWATER_GC_GRACE_S: '-1',
    BREAKWATER_LOG_LEVEL: 'loud',
  });
  expect(output).toContain('BREAKWATER_LISTEN');
  expect(output).toContain('BREAKWATER_GC_GRACE_S');
  expect(output).toContain('BREAKWATER_LOG_LEVEL');
  expect(output).not.toContain('    at ');
});

test('beyond loopback it wants a password and a key of the operator', async () => {
  const output = await fails({ BREAKWATER_LISTEN: '0.0.0.0:0' });
  expect(output).toContain('BREAKWATER_ADMIN_PASSWORD');
  expect(output).toContain('BREAKWATER_SECRET_KEY');
});

test('a port that is taken is said in one line', async () => {
  const { url } = await start();
  const other = await mkdtemp(join(tmpdir(), 'breakwater-start-'));
  try {
    const output = await fails({ BREAKWATER_DATA_DIR: other, BREAKWATER_LISTEN: new URL(url).host });
    expect(output).toContain('BREAKWATER_LISTEN');
    expect(output).not.toContain('    at ');
  } finally {
    await rm(other, { recursive: true, force: true });
  }
}, 60_000);
