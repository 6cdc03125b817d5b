/** What pg and knex need to connect to a database of the test run's server. */
export interface TestConnection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

/** Where the test run's global set-up leaves the connection, as JSON. */
export const TEST_POSTGRES_VARIABLE = 'BREAKWATER_TEST_POSTGRES';

/** The Postgres server of this test run. */
export function testServer(): TestConnection {
  const text = process.env[TEST_POSTGRES_VARIABLE];
  if (text === undefined) {
    throw new Error(`${TEST_POSTGRES_VARIABLE} is not set: run the tests with node scripts/test.mjs [path]`);
  }
  return JSON.parse(text) as TestConnection;
}
