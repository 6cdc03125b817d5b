import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../packages/registry-host/dist/embedded-postgres/index.js';

const PREFIX = 'breakwater-test-';

/**
 * One Postgres server for the whole test run, without fsync; each test file makes a database of its own on it
 * (createTestDatabase of the test-kit). It is the built launcher: jest does not transform a global set-up that is ESM.
 */
export default async function setUp() {
  await sweep();
  const directory = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  const quiet = () => {};
  const logger = { debug: quiet, info: quiet, warn: quiet, error: (fields, message) => console.error(message, fields) };
  const server = await startEmbeddedPostgres({ dataDirectory: join(directory, 'postgres'), durable: false, logger });
  process.env.BREAKWATER_TEST_POSTGRES = JSON.stringify(server.connection);
  globalThis.breakwaterTestPostgres = { server, directory };
}

/** Removes the data of test runs that were killed: the name begins with the process that made it. */
async function sweep() {
  for (const name of await readdir(tmpdir())) {
    const maker = name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : Number.NaN;
    if (Number.isNaN(maker) || isRunning(maker)) continue;
    await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isRunning(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}
