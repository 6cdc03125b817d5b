import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  buildImage,
  type FaultUpstream,
  movableClock,
  pullImage,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { afterEach, beforeEach, expect, test } from '@jest/globals';

// `breakwater gc` as it is typed: a process of its own, as it was built, beside a registry that runs, or without one.

const PROGRAM = resolve('packages/registry-host/bin/breakwater.js');
const HOUR = 3_600;

let directory: string;
const closing: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'breakwater-gc-'));
  closing.push(() => rm(directory, { recursive: true, force: true }));
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function launch(args: readonly string[], env: Readonly<Record<string, string>>): ChildProcess {
  return spawn(process.execPath, [PROGRAM, ...args], {
    env: { PATH: process.env['PATH'], BREAKWATER_DATA_DIR: directory, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function breakwaterGc(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const child = launch(['gc', ...args], env);
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.on('data', (chunk: Buffer) => {
      said[stream] += chunk.toString();
    });
  }
  await once(child, 'close');
  return { status: child.exitCode, ...said };
}

test('beside a registry on the embedded Postgres, and without it, it works on the same database', async () => {
  const server = launch([], { BREAKWATER_LISTEN: '127.0.0.1:0' });
  const gone = once(server, 'exit');
  closing.push(async () => {
    server.kill('SIGKILL');
    await gone;
  });
  await new Promise<void>((ready, failed) => {
    server.stdout?.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('Breakwater is ready')) ready();
    });
    gone.then(() => failed(new Error('the registry ended')));
  });

  const beside = await breakwaterGc(['--json']);
  expect(beside).toMatchObject({ status: 0 });
  expect(JSON.parse(beside.stdout)).toMatchObject({ outcome: 'done', dry_run: false });
  expect(server.exitCode).toBeNull();

  server.kill('SIGINT');
  await gone;
  const alone = await breakwaterGc([]);
  expect(alone.stderr).toContain('breakwater gc: the run begins');
  expect(alone).toMatchObject({ status: 0, stdout: expect.stringMatching(/^Run [0-9a-f-]{36}: done in /) });
  // The Postgres that it started for the time of the run is gone again.
  expect(await stat(join(directory, 'postgres', 'postmaster.pid')).catch(() => 'none')).toBe('none');
}, 60_000);

/** A registry whose only image came into the cache three hours ago, and the settings of its processes. */
async function withDueImage(): Promise<{
  readonly breakwater: TestRegistry;
  readonly upstream: FaultUpstream;
  readonly organization: string;
  readonly env: Readonly<Record<string, string>>;
}> {
  const upstream = await startFaultUpstream();
  closing.push(() => upstream.close());
  const clock = movableClock(Date.now() - 3 * HOUR * 1000);
  const breakwater = await startTestRegistry({ clock });
  closing.push(() => breakwater.close());
  upstream.add('team/app', 'v1', buildImage({ seed: 1 }));
  const organization = await breakwater.proxyOrganization({
    upstream_registry: upstream.host,
    check_interval_s: HOUR,
    staleness_period_s: HOUR,
    expiration_s: HOUR,
  });
  expect((await pullImage(breakwater.url, `${organization}/team/app`, 'v1')).problems).toEqual([]);
  await breakwater.api('POST', `/api/v1/organization/${organization}/proxycache/purge`, { tag: 'no/such:tag' });
  const { host, port, user, database } = breakwater.state.database.connection;
  return {
    breakwater,
    upstream,
    organization,
    env: {
      BREAKWATER_DATA_DIR: breakwater.state.directory,
      BREAKWATER_STORAGE_URL: pathToFileURL(join(breakwater.state.directory, 'storage')).href,
      BREAKWATER_DATABASE_URL: `postgres://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`,
      BREAKWATER_UPSTREAM_ALLOWED_HOSTS: '127.0.0.0/8',
    },
  };
}

const cachedTags = async ({ state }: TestRegistry) => (await state.database.knex('cached_tag')).length;

test('a dry run says what would go and deletes nothing; a run does it, unless another one is in flight', async () => {
  const { breakwater, organization, env } = await withDueImage();
  const planned = await breakwaterGc(['--dry-run'], env);
  expect(planned.stderr).toContain('a dry run: nothing is deleted');
  expect(planned.status).toBe(0);
  expect(planned.stdout).toContain('Tags would be removed: 1');
  expect(planned.stdout).toMatch(new RegExp(`${organization}/team/app:v1 +lapsed_and_unused +confirmed 20`));
  const explained = await breakwaterGc(['--dry-run', '--explain', `${organization}/team/app:v1`], env);
  expect(explained.stdout).toMatch(/team\/app:v1 \(from .*\) GOES: .* \(lapsed_and_unused\)\n/);
  expect(explained.status).toBe(0);
  expect(await breakwaterGc(['--dry-run', '--explain', `${organization}/team/app:v2`], env)).toMatchObject({
    status: 1,
    stdout: '',
    stderr: expect.stringContaining('nothing of that name is cached or stored'),
  });
  expect(await cachedTags(breakwater)).toBe(1);

  const now = new Date();
  const runs = breakwater.state.database.knex('gc_run');
  await runs.clone().insert({
    run_id: randomUUID(),
    holder: 'another',
    state: 'running',
    started_at: now,
    heartbeat_at: now,
  });
  expect(await breakwaterGc([], env)).toMatchObject({
    status: 1,
    stdout: '',
    stderr: expect.stringContaining('a run is in flight in another process'),
  });
  expect(await cachedTags(breakwater)).toBe(1);
  await runs.clone().del();

  const done = await breakwaterGc(['--json', '--organization', organization], env);
  expect(done.status).toBe(0);
  expect(JSON.parse(done.stdout)).toMatchObject({
    outcome: 'done',
    organization,
    expired: [{ repository: 'team/app', reference: 'v1', reason: 'lapsed_and_unused' }],
  });
  expect(await cachedTags(breakwater)).toBe(0);
  expect((await breakwater.api('GET', '/api/v1/gc/runs?limit=1')).body).toMatchObject({ runs: [{ state: 'done' }] });

  await breakwater.state.database.knex('gc_migrations').del();
  const older = await breakwaterGc([], env);
  expect(older).toMatchObject({ status: 1, stderr: expect.stringContaining('the database is older') });
});

test('what is kept by an outage is held by a run from the command line, too', async () => {
  const { breakwater, upstream, organization, env } = await withDueImage();
  const stop = upstream.fault({ kind: 'status', status: 503 });
  const { status, stdout } = await breakwaterGc([], env);
  stop.clear();
  expect(status).toBe(0);
  expect(stdout).toContain(`held: 1 tags of ${organization}, whose upstream ${upstream.host} is down since 20`);
  expect(await cachedTags(breakwater)).toBe(1);
});

test('without a database, without a registry, and asked for what it does not know it fails and says why', async () => {
  const nowhere = {
    BREAKWATER_DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing',
    BREAKWATER_SECRET_KEY: 'a secret key of the tests that is long enough',
  };
  const unreachable = await breakwaterGc([], nowhere);
  expect(unreachable).toMatchObject({ status: 1, stderr: expect.stringContaining('ECONNREFUSED') });
  expect(unreachable.stderr).not.toContain('    at ');

  const empty = await breakwaterGc([]);
  expect(empty).toMatchObject({ status: 1, stderr: expect.stringContaining('BREAKWATER_DATA_DIR') });
  expect(await readdir(directory)).toEqual([]);

  expect(await breakwaterGc(['--dyr-run'])).toMatchObject({
    status: 2,
    stdout: '',
    stderr: expect.stringContaining("Unknown option '--dyr-run'"),
  });
});
