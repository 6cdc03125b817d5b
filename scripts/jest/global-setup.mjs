import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../packages/registry-host/dist/embedded-postgres/index.js';

/**
 * One Postgres server for the whole test run, without fsync; each test file makes a database of its own on it
 * (createTestDatabase of the test-kit). It is the built launcher: jest does not transform a global set-up that is ESM.
 */
export default async function setUp() {
  const directory = await mkdtemp(join(tmpdir(), 'breakwater-test-'));
  const quiet = () => {};
  const logger = { debug: quiet, info: quiet, warn: quiet, error: (fields, message) => console.error(message, fields) };
  const server = await startEmbeddedPostgres({ dataDirectory: join(directory, 'postgres'), durable: false, logger });
  process.env.BREAKWATER_TEST_POSTGRES = JSON.stringify(server.connection);
  globalThis.breakwaterTestPostgres = { server, directory };
}
