import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { TestConnection } from '@breakwater/test-kit';

/** Stands between a registry and its Postgres, and can be cut (for the database the process is dead then) or fall silent. */
export interface DatabaseRelay extends AsyncDisposable {
  readonly connection: TestConnection;
  /** Breaks every connection, and takes no more until `restore`. */
  cut(): void;
  restore(): void;
  /** Passes on nothing any more, and keeps every connection, as a network does that has lost its route. */
  fallSilent(): void;
}

/** Starts a relay to the server of the test run. */
export async function startDatabaseRelay(to: TestConnection): Promise<DatabaseRelay> {
  const sockets = new Set<Socket>();
  let isCut = false;
  let isSilent = false;
  const server = createServer((client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    const target = to.host.startsWith('/')
      ? { path: join(to.host, `.s.PGSQL.${to.port}`) }
      : { host: to.host, port: to.port };
    const postgres = connect(target);
    for (const [from, other] of [
      [client, postgres],
      [postgres, client],
    ] as const) {
      from.setNoDelay(true);
      sockets.add(from);
      from.on('error', () => undefined);
      from.once('close', () => {
        sockets.delete(from);
        other.destroy();
      });
      if (!isSilent) from.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  return {
    connection: { ...to, host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    cut,
    restore() {
      isCut = false;
    },
    fallSilent() {
      isSilent = true;
      // What is not read is not passed on, the end of a connection neither.
      for (const socket of sockets) socket.unpipe().pause();
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      cut();
      await closed;
    },
  };
}
