import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { TestConnection } from '@breakwater/test-kit';

/** Stands between a registry and its Postgres, and can be cut: for the database the process is dead then. */
export interface DatabaseRelay extends AsyncDisposable {
  readonly connection: TestConnection;
  /** Breaks every connection, and takes no more until `restore`. */
  cut(): void;
  restore(): void;
}

/** Starts a relay to the server of the test run. */
export async function startDatabaseRelay(to: TestConnection): Promise<DatabaseRelay> {
  const sockets = new Set<Socket>();
  let isCut = false;
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
      from.pipe(other);
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
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      cut();
      await closed;
    },
  };
}
