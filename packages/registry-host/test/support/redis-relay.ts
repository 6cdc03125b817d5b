import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Stands between a registry and its Redis and counts. */
export interface RedisRelay extends AsyncDisposable {
  /** `redis://127.0.0.1:port` */
  readonly url: string;
  /** How many of these commands were sent so far, `SET` say. They reach a Redis that is frozen, too. */
  sent(...commands: readonly string[]): number;
  /** Connections accepted so far. */
  readonly accepted: number;
}

/** Starts a relay to a port of loopback. Counting is by name, so values must not look like commands. */
export async function startRedisRelay(port: number): Promise<RedisRelay> {
  const sockets = new Set<Socket>();
  const names: string[] = [];
  let accepted = 0;
  const server = createServer((client) => {
    accepted += 1;
    const redis = connect({ host: '127.0.0.1', port });
    for (const [from, to] of [
      [client, redis],
      [redis, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => undefined);
      from.once('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
    client.on('data', (chunk: Buffer) => {
      for (const [, name] of chunk.toString('latin1').matchAll(/\*\d+\r\n\$\d+\r\n([a-z]+)\r\n/gi)) {
        if (name !== undefined) names.push(name.toUpperCase());
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent: (...commands) => names.filter((name) => commands.includes(name)).length,
    get accepted() {
      return accepted;
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
