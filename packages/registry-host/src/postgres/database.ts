import type { Logger } from '@breakwater/registry-core';
import knex, { type Knex } from 'knex';

/** Where the database is: a URL, or pg's own connection parameters (a unix socket directory as `host`, say). */
type DatabaseAddress = { readonly url: string } | { readonly connection: Knex.PgConnectionConfig };

export type OpenDatabaseOptions = DatabaseAddress & {
  /** Gets what knex would print to the console. */
  readonly logger: Logger;
  /** Most connections at once. Default 10. */
  readonly poolSize?: number;
  /** Longest time to connect in ms. Default 2000. */
  readonly connectTimeoutMs?: number;
  /** Longest time of one statement in ms. Default 5000. */
  readonly statementTimeoutMs?: number;
  /** Longest wait for a free connection in ms. Default 2000. */
  readonly poolWaitMs?: number;
};

/** The server ends a statement at its limit; only when it does not answer at all does the client give up, this later. */
const CLIENT_MARGIN_MS = 500;

/**
 * A pool of connections with deadlines on everything. Nothing is dialled before the first query.
 * The caller ends it with `destroy()`.
 */
export function openDatabase(options: OpenDatabaseOptions): Knex {
  const { logger, poolSize = 10, connectTimeoutMs = 2_000, statementTimeoutMs = 5_000, poolWaitMs = 2_000 } = options;
  return knex({
    client: 'pg',
    connection: {
      ...('url' in options ? { connectionString: options.url } : options.connection),
      application_name: 'breakwater',
      connectionTimeoutMillis: connectTimeoutMs,
      statement_timeout: statementTimeoutMs,
      query_timeout: statementTimeoutMs + CLIENT_MARGIN_MS,
      // A pool wait that ends in the middle of a transaction must not leave its locks behind.
      idle_in_transaction_session_timeout: 2 * statementTimeoutMs,
      keepAlive: true,
    },
    acquireConnectionTimeout: poolWaitMs,
    pool: { min: 0, max: poolSize, afterCreate: dropWhenSilent },
    log: {
      debug: (message) => logger.debug({ knex: text(message) }, 'database'),
      deprecate: (method, alternative) => logger.debug({ method, alternative }, 'deprecated knex method'),
      // What fails is told to whoever asked, through its promise; knex says it a second time.
      warn: (message) => logger.debug({ knex: text(message) }, 'database warning'),
      error: (message) => logger.error({ knex: text(message) }, 'database error'),
    },
  });
}

interface PgClient {
  query(config: unknown, done: (error: unknown, result: unknown) => void): unknown;
  readonly connection: { readonly stream: { destroy(): void; once(event: 'close', then: () => void): unknown } };
}

/**
 * pg gives up on a query that the server does not answer, but keeps its connection, and every later query waits behind
 * the silent one. So such a connection is cut; the pool then makes a new one.
 */
function dropWhenSilent(client: PgClient, done: (error: Error | null, client: PgClient) => void): void {
  const query = client.query.bind(client);
  client.query = (config, callback) =>
    query(config, (error, result) => {
      if ((error as Error | null | undefined)?.message !== 'Query read timeout') return callback(error, result);
      // Answered only when it is closed: the pool must not hand it out in between.
      const { stream } = client.connection;
      stream.once('close', () => callback(error, result));
      stream.destroy();
    });
  done(null, client);
}

function text(message: unknown): string {
  return typeof message === 'string' ? message : String((message as { message?: unknown } | null)?.message ?? message);
}
