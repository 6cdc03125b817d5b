import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export interface ConnectProxyOptions {
  /** What it wants to be shown; without them it lets everybody through. */
  readonly credentials?: { readonly username: string; readonly password: string };
  /** Where names lead, since it is the proxy that resolves them; 127.0.0.1 unless told. */
  readonly resolve?: (host: string) => string;
}

/** An HTTP proxy that knows CONNECT only: real sockets, in this process. */
export interface ConnectProxy extends AsyncDisposable {
  /** `http://127.0.0.1:1234`, without credentials. */
  readonly url: string;
  readonly port: number;
  /** What it was asked to connect to, `host:port` each, those that it refused among them. */
  readonly targets: readonly string[];
  /** Requests other than CONNECT, which nobody should send it. */
  readonly otherRequests: readonly string[];
  /** Requests that it refused for their credentials. */
  readonly refused: number;
  /** Tunnels that are open now. */
  readonly openTunnels: number;
  /** From now on it answers so instead of connecting: with a status, with bytes, or not at all. `undefined`: as it should. */
  misbehave(how: { readonly status: number } | { readonly bytes: string } | 'stall' | 'reset' | undefined): void;
  close(): Promise<void>;
}

/** Starts a proxy. `close` it, or use it with `await using`. */
export async function startConnectProxy(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const { credentials, resolve = () => '127.0.0.1' } = options;
  const wanted =
    credentials === undefined
      ? undefined
      : `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
  const targets: string[] = [];
  const otherRequests: string[] = [];
  const sockets = new Set<Socket>();
  let fault: Parameters<ConnectProxy['misbehave']>[0];
  let refused = 0;
  let openTunnels = 0;

  const server = createServer((request, response) => {
    otherRequests.push(`${request.method} ${request.url}`);
    response.writeHead(405).end();
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('connect', (request: IncomingMessage, client: Duplex, head: Buffer) => {
    const target = request.url ?? '';
    targets.push(target);
    if (wanted !== undefined && request.headers['proxy-authorization'] !== wanted) {
      refused += 1;
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="proxy"\r\n\r\n');
    } else if (fault === undefined) {
      tunnel(target, client, head);
    } else if (fault === 'reset') {
      (client as Socket).resetAndDestroy();
    } else if (fault !== 'stall') {
      client.end('bytes' in fault ? fault.bytes : `HTTP/1.1 ${fault.status} Because\r\nContent-Length: 0\r\n\r\n`);
    }
  });

  function tunnel(target: string, client: Duplex, head: Buffer): void {
    const { hostname, port } = new URL(`http://${target}`);
    const onward = connect(Number(port === '' ? 80 : port), resolve(hostname.replace(/^\[|\]$/g, '')));
    sockets.add(onward);
    let connected = false;
    onward.once('connect', () => {
      connected = true;
      openTunnels += 1;
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      onward.write(head);
      onward.pipe(client).pipe(onward);
    });
    onward.on('error', () => {
      if (connected) client.destroy();
      else client.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n');
    });
    onward.once('close', () => {
      sockets.delete(onward);
      if (connected) openTunnels -= 1;
      if (connected) client.destroy();
    });
    client.once('close', () => onward.destroy());
  }

  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    if (!server.listening) return;
    const closed = new Promise((done) => server.close(done));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    targets,
    otherRequests,
    get refused() {
      return refused;
    },
    get openTunnels() {
      return openTunnels;
    },
    misbehave(how) {
      fault = how;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
