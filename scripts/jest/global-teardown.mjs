import { rm } from 'node:fs/promises';

/** Ends the Postgres server of the test run and removes its data. */
export default async function tearDown() {
  const { server, directory } = globalThis.breakwaterTestPostgres;
  await server.stop();
  await rm(directory, { recursive: true, force: true });
}
