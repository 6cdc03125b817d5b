import knex, { type Knex } from 'knex';
import type { TestConnection } from './test-server.js';

/** A pool that keeps what knex would print to itself: errors reach the test through its promises. */
export function openPool(connection: TestConnection): Knex {
  const quiet = (): void => {};
  return knex({
    client: 'pg',
    connection: { ...connection },
    pool: { min: 0, max: 10 },
    log: { warn: quiet, error: quiet, deprecate: quiet, debug: quiet },
  });
}

/** Runs something on the server's own database, through a connection of its own. */
export async function asAdministrator<T>(server: TestConnection, work: (admin: Knex) => Promise<T>): Promise<T> {
  const admin = openPool(server);
  try {
    return await work(admin);
  } finally {
    await admin.destroy();
  }
}
