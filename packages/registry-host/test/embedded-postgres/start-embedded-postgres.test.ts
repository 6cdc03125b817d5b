import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, chown, cp, lstat, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@breakwater/registry-core';
import { root, testWith } from '@breakwater/test-kit';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import {
  type EmbeddedPostgres,
  type EmbeddedPostgresConnection,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from '../../src/embedded-postgres/index.js';
import { killStaged, leftovers, makeScratch, NOBODY, stage, startStaged } from './staged-launcher.js';

const WAY_OUT = /^[^\n]*; or set BREAKWATER_DATABASE_URL to a Postgres server of your own$/;

let scratch: Awaited<ReturnType<typeof makeScratch>>;
let launcher: string;
const servers: EmbeddedPostgres[] = [];

beforeAll(async () => {
  scratch = await makeScratch();
  launcher = await stage(join(scratch.path, 'app'));
});

afterAll(async () => {
  killStaged();
  for (const server of servers) await server.stop();
  await eventually(async () => expect(await leftovers(scratch.path)).toEqual([])).finally(() => scratch.remove());
});

/** Starts one in this process, which ends with the tests at the latest. */
async function start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres(options);
  servers.push(server);
  return server;
}

async function query(connection: EmbeddedPostgresConnection | undefined, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ ...connection });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows.map((row) => Object.values(row)[0]);
  } finally {
    await client.end();
  }
}

async function eventually<T>(probe: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await probe();
    } catch (error) {
      if (attempt === 200) throw error;
      await sleep(50);
    }
  }
}

async function serverPid(dataDirectory: string): Promise<number> {
  return Number((await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8')).split('\n')[0]);
}

/** A zombie counts as gone: in a container there may be nobody who reaps the children of a killed process. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function recordingLogger(): Logger & { readonly errors: string[] } {
  const errors: string[] = [];
  const quiet = (): void => {};
  return { debug: quiet, info: quiet, warn: quiet, error: (_fields, message) => void errors.push(message), errors };
}

describe('the embedded Postgres', () => {
  test('keeps its data over a restart, listens on its socket only, and leaves nothing behind', async () => {
    const options = { dataDirectory: join(scratch.path, 'plain/data'), logger: recordingLogger() };
    const first = await start(options);
    await query(first.connection, 'create table kept as select 42 as answer');
    expect(await query(first.connection, "select setting from pg_settings where name = 'listen_addresses'")).toEqual([
      '',
    ]);
    expect(await query(first.connection, "select setting from pg_settings where name = 'fsync'")).toEqual(['on']);
    expect((await stat(first.connection.host)).mode & 0o777).toBe(0o700);
    const pid = await serverPid(options.dataDirectory);
    await first.stop();
    await first.stop();
    expect(isAlive(pid)).toBe(false);
    await expect(stat(first.connection.host)).rejects.toMatchObject({ code: 'ENOENT' });

    const second = await start(options);
    expect(await query(second.connection, 'select answer from kept')).toEqual([42]);
    await second.stop();
    expect(await readdir(join(scratch.path, 'plain'))).toEqual(['data']);
    expect(options.logger.errors).toEqual([]);
  });

  test('started by root runs as an ordinary user, started by another user as that one', async () => {
    const dataDirectory = join(scratch.path, 'who');
    const server = await start({ dataDirectory, logger: recordingLogger(), durable: false });
    const { uid } = await stat(dataDirectory);
    const status = await readFile(`/proc/${await serverPid(dataDirectory)}/status`, 'utf8').catch(() => undefined);
    await server.stop();
    if (process.getuid?.() === 0) expect(uid).not.toBe(0);
    else expect(uid).toBe(process.getuid?.());
    if (status !== undefined) expect(status).toMatch(new RegExp(`^Uid:\\s+${uid}\\s+${uid}\\s+${uid}\\s`, 'm'));
  });

  testWith(root())('runs for an ordinary user', async () => {
    const dataDirectory = join(scratch.path, 'nobody/data');
    await mkdir(join(scratch.path, 'nobody'));
    await chown(join(scratch.path, 'nobody'), NOBODY, NOBODY);
    const server = await startStaged(scratch.path, launcher, dataDirectory, { uid: NOBODY });
    expect(await query(server.started.connection, 'select 1')).toEqual([1]);
    expect((await stat(dataDirectory)).uid).toBe(NOBODY);
    await server.end();
  });

  test('goes down with a process that is killed, and the next start has what was committed', async () => {
    const dataDirectory = join(scratch.path, 'killed');
    const first = await startStaged(scratch.path, launcher, dataDirectory);
    await query(first.started.connection, 'create table kept as select 42 as answer');
    const pid = await serverPid(dataDirectory);
    await first.kill();
    const second = await startStaged(scratch.path, launcher, dataDirectory);
    expect(await query(second.started.connection, 'select answer from kept')).toEqual([42]);
    expect(isAlive(pid)).toBe(false);
    await second.end();
    await eventually(async () => expect(await leftovers(scratch.path)).toEqual([]));
  });

  test('recovers when the server was killed with the process', async () => {
    const dataDirectory = join(scratch.path, 'both-killed');
    const first = await startStaged(scratch.path, launcher, dataDirectory);
    await query(first.started.connection, 'create table kept as select 42 as answer');
    first.child.kill('SIGSTOP');
    process.kill(await serverPid(dataDirectory), 'SIGKILL');
    await first.kill();
    await expect(stat(join(dataDirectory, 'postmaster.pid'))).resolves.toBeDefined();
    const second = await startStaged(scratch.path, launcher, dataDirectory);
    expect(await query(second.started.connection, 'select answer from kept')).toEqual([42]);
    await second.end();
    await eventually(async () => expect(await leftovers(scratch.path)).toEqual([]));
  });

  test('is not kept from starting by a lock file whose process id is now another program', async () => {
    const dataDirectory = join(scratch.path, 'came-round');
    const first = await startStaged(scratch.path, launcher, dataDirectory);
    await first.end();
    // Of the server's own user: of a process that it may not signal Postgres knows by itself that it is another one.
    const { uid, gid } = await stat(dataDirectory);
    const stranger = spawn('sleep', ['60'], process.getuid?.() === 0 ? { uid, gid } : {});
    const lines = [stranger.pid, dataDirectory, 1, 5432, '/nowhere', '', ' 1 1', 'ready   ', ''];
    await writeFile(join(dataDirectory, 'postmaster.pid'), lines.join('\n'));
    const second = await startStaged(scratch.path, launcher, dataDirectory);
    expect(await query(second.started.connection, 'select 1')).toEqual([1]);
    await second.end();
    stranger.kill();
  });

  test('starts in a data directory and with a temporary folder too deep for a socket', async () => {
    const deep = join(scratch.path, 'deep', 'x'.repeat(100), 'y'.repeat(100));
    await mkdir(deep, { recursive: true });
    const server = await startStaged(scratch.path, launcher, join(deep, 'data'), { temporary: deep });
    expect(Buffer.byteLength(`${server.started.connection?.host}/.s.PGSQL.5432`)).toBeLessThan(104);
    expect(await query(server.started.connection, 'select 1')).toEqual([1]);
    await server.end();
    await expect(stat(String(server.started.connection?.host))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  testWith(root())('runs for root from packages and on data below a folder closed to everybody else', async () => {
    const closed = join(scratch.path, 'closed');
    await mkdir(closed, { mode: 0o700 });
    const file = await stage(join(closed, 'app'));
    const dataDirectory = join(closed, 'data');
    const first = await startStaged(scratch.path, file, dataDirectory);
    await query(first.started.connection, 'create table kept as select 42 as answer');
    const pid = await serverPid(dataDirectory);
    process.kill(pid, 'SIGKILL');
    // Restarted below the closed folder as well.
    await eventually(() => query(first.started.connection, 'select 1'));
    await first.end();
    const second = await startStaged(scratch.path, file, dataDirectory);
    expect(await query(second.started.connection, 'select answer from kept')).toEqual([42]);
    await second.end();
    expect((await stat(closed)).mode & 0o777).toBe(0o700);
    const copies = (await readdir(join(scratch.path, 'tmp'))).filter((name) => name.startsWith('breakwater-postgres-'));
    expect(copies).toHaveLength(1);
  });

  test('makes the links between its libraries that an installation without scripts leaves out', async () => {
    const folder = join(scratch.path, 'unlinked');
    const file = await stage(folder);
    let removed = 0;
    for (const name of await readdir(join(folder, 'node_modules'), { recursive: true })) {
      const path = join(folder, 'node_modules', name);
      if (!(await lstat(path)).isSymbolicLink()) continue;
      await rm(path);
      removed += 1;
    }
    if (process.platform === 'linux') expect(removed).toBeGreaterThan(0);
    const server = await startStaged(scratch.path, file, join(scratch.path, 'unlinked-data'));
    expect(await query(server.started.connection, 'select 1')).toEqual([1]);
    await server.end();
  });

  test('refuses a data directory that is in use, and does not disturb it', async () => {
    const dataDirectory = join(scratch.path, 'in-use');
    const first = await startStaged(scratch.path, launcher, dataDirectory);
    const second = await startStaged(scratch.path, launcher, dataDirectory);
    expect(second.started).toEqual({ code: 'EMBEDDED_POSTGRES_IN_USE', message: expect.stringMatching(WAY_OUT) });
    expect(second.started.message).toContain(dataDirectory);
    await second.end();
    expect(await query(first.started.connection, 'select 1')).toEqual([1]);
    await first.end();
  });

  test('of two that make the same data directory at once, one gets it', async () => {
    const dataDirectory = join(scratch.path, 'raced/data');
    const both = await Promise.all([
      startStaged(scratch.path, launcher, dataDirectory),
      startStaged(scratch.path, launcher, dataDirectory),
    ]);
    const [winner, loser] = both.sort((one) => (one.started.connection === undefined ? 1 : -1));
    expect(winner?.started).toEqual({ connection: expect.anything() });
    expect(loser?.started).toEqual({ code: 'EMBEDDED_POSTGRES_IN_USE', message: expect.stringMatching(WAY_OUT) });
    for (const each of both) await each.end();
    expect(await readdir(join(scratch.path, 'raced'))).toEqual(['data']);
  });

  test.each([
    ['of another major version', 'PG_VERSION', '15\n', /data of Postgres 15, and the embedded one is version 18/],
    ['that are not of Postgres', 'notes.txt', 'do not lose me', /holds files but no Postgres data/],
  ])('refuses files %s, and leaves them alone', async (_title, name, content, reason) => {
    const dataDirectory = join(scratch.path, `foreign-${name}`);
    await mkdir(dataDirectory);
    await writeFile(join(dataDirectory, name), content);
    const starting = startEmbeddedPostgres({ dataDirectory, logger: recordingLogger(), durable: false });
    await expect(starting).rejects.toMatchObject({
      code: 'EMBEDDED_POSTGRES_DATA',
      message: expect.stringMatching(WAY_OUT),
    });
    await expect(starting).rejects.toThrow(reason);
    expect(await readdir(dataDirectory)).toEqual([name]);
  });

  testWith(root())('says what to do when the user id has no name', async () => {
    const home = join(scratch.path, 'nameless');
    await mkdir(home);
    await chown(home, 54_321, 54_321);
    const server = await startStaged(scratch.path, launcher, join(home, 'data'), { uid: 54_321 });
    expect(server.started).toEqual({ code: 'EMBEDDED_POSTGRES_USER', message: expect.stringMatching(WAY_OUT) });
    expect(server.started.message).toContain('user id 54321 has no entry in /etc/passwd');
    await server.end();
    expect(await readdir(home)).toEqual([]);
  });

  testWith(root())('says what to do when the data belong to somebody else', async () => {
    const dataDirectory = join(scratch.path, 'somebody-elses');
    await mkdir(dataDirectory);
    await chown(dataDirectory, 1, 1);
    const server = await startStaged(scratch.path, launcher, dataDirectory, { uid: NOBODY });
    expect(server.started).toEqual({ code: 'EMBEDDED_POSTGRES_USER', message: expect.stringMatching(WAY_OUT) });
    await server.end();
  });

  testWith(root())('takes over data that root has copied', async () => {
    const dataDirectory = join(scratch.path, 'original');
    const first = await startStaged(scratch.path, launcher, dataDirectory);
    await query(first.started.connection, 'create table kept as select 42 as answer');
    await first.end();
    const copied = join(scratch.path, 'copied');
    await cp(dataDirectory, copied, { recursive: true });
    await chmod(copied, 0o700);
    expect((await stat(copied)).uid).toBe(0);
    const second = await startStaged(scratch.path, launcher, copied);
    expect(await query(second.started.connection, 'select answer from kept')).toEqual([42]);
    await second.end();
  });

  test.each([
    ['musl', { system: 'linux', processor: 'x64', glibc: undefined }],
    ['an old glibc', { system: 'linux', processor: 'x64', glibc: '2.17' }],
    ['another processor', { system: 'linux', processor: 'ia32', glibc: '2.36' }],
    ['another system', { system: 'win32', processor: 'x64', glibc: undefined }],
  ])('says what to do on %s', async (_title, platform) => {
    const dataDirectory = join(scratch.path, 'unsupported');
    const starting = startEmbeddedPostgres({ dataDirectory, logger: recordingLogger(), platform });
    await expect(starting).rejects.toMatchObject({
      code: 'EMBEDDED_POSTGRES_UNSUPPORTED',
      message: expect.stringMatching(WAY_OUT),
    });
    await expect(stat(dataDirectory)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('starts a server again that dies, every time, under the same connection', async () => {
    const dataDirectory = join(scratch.path, 'dies');
    const logger = recordingLogger();
    const server = await start({ dataDirectory, logger, durable: true });
    await query(server.connection, 'create table kept as select 42 as answer');
    for (const times of [1, 2]) {
      process.kill(await serverPid(dataDirectory), 'SIGKILL');
      await eventually(async () => expect(logger.errors.length).toBeGreaterThanOrEqual(times));
      expect(await eventually(() => query(server.connection, 'select answer from kept'))).toEqual([42]);
    }
    const pid = await serverPid(dataDirectory);
    await server.stop();
    expect(isAlive(pid)).toBe(false);
    expect(logger.errors[0]).toBe('the embedded Postgres ended by itself and is started again');
  });
});
