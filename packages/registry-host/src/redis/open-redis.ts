import { Redis } from 'ioredis';

const COMMAND_MS = 200;
const CONNECT_MS = 300;
/** How long a connection that we end may take to say goodbye. */
const DISCONNECT_MS = 100;
const KEEP_ALIVE_MS = 10_000;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;

/**
 * A connection that is made in the background, and made again whenever it is lost. A command fails after 200 ms, and at
 * once while there is no connection: nothing waits in line, so that an outage costs no memory (F109).
 *
 * @param url `redis:` or `rediss:`, without a query: ioredis would take settings from it
 */
export function openRedis(url: string): Redis {
  const redis = new Redis(url, {
    commandTimeout: COMMAND_MS,
    connectTimeout: CONNECT_MS,
    disconnectTimeout: DISCONNECT_MS,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    // It would ask INFO, which a user with few rights may not, and say so on the console.
    enableReadyCheck: false,
    keepAlive: KEEP_ALIVE_MS,
    retryStrategy: (times) => {
      const delayMs = Math.min(FIRST_RETRY_MS * 2 ** Math.min(times - 1, 10), LONGEST_RETRY_MS);
      return Math.round(delayMs * (0.5 + Math.random() / 2));
    },
  });
  // Without a listener ioredis writes to the console. Commands tell of failures themselves.
  redis.on('error', () => undefined);
  return redis;
}
