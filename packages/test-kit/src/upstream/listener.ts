import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { resetConnection } from './reset-connection.js';

/** What a listener does with a connection before it reads a byte of it; `undefined` lets it in. */
export type ConnectionFate =
  | { readonly by: 'reset' }
  | { readonly by: 'stall' }
  | { readonly by: 'garbage'; readonly bytes: Buffer };

export interface ListenerOptions {
  readonly address: string;
  /** 0 lets the system choose; the choice is kept over `kill` and `revive`. */
  readonly port: number;
  readonly tls?: SecureContextOptions;
  readonly onRequest: RequestListener;
  readonly fateOfConnection: () => ConnectionFate | undefined;
}

/** An HTTP server which owns its sockets, so that it can die and come back on the same port. */
export interface Listener {
  readonly port: number;
  readonly openSockets: number;
  /** Connections accepted since the start. */
  readonly accepted: number;
  /** Bytes written to connections since the start, as the sockets count them. */
  readonly sentBytes: number;
  /** The connection that a request came over, below TLS. */
  connectionOf(socket: Socket): Socket;
  /** Closes the listening socket and resets every connection, as the end of a process does. */
  kill(): Promise<void>;
  revive(): Promise<void>;
  destroyConnections(): void;
}

const RELISTEN_ATTEMPTS = 40;
const RELISTEN_PAUSE_MS = 50;

/** Starts a listener. `kill` ends it and leaves nothing open. */
export async function startListener(options: ListenerOptions): Promise<Listener> {
  const sockets = new Map<string, Socket>();
  const http = httpServer(options);
  let accepted = 0;
  let sentOverClosed = 0;
  const tcp = createTcpServer((socket) => {
    accepted += 1;
    const key = keyOf(socket);
    sockets.set(key, socket);
    socket.once('close', () => {
      sentOverClosed += socket.bytesWritten;
      if (sockets.get(key) === socket) sockets.delete(key);
    });
    // A peer that resets is what these tests are about; without a listener the error would end the process.
    socket.on('error', () => undefined);
    const fate = options.fateOfConnection();
    if (fate === undefined) http.emit('connection', socket);
    else if (fate.by === 'reset') resetConnection(socket);
    else if (fate.by === 'garbage') socket.end(fate.bytes);
    else socket.resume();
  });

  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      tcp.once('error', reject);
      tcp.listen(port, options.address, () => {
        tcp.removeListener('error', reject);
        resolve();
      });
    });
  await listen(options.port);
  const port = (tcp.address() as AddressInfo).port;

  const destroyConnections = () => {
    for (const socket of sockets.values()) resetConnection(socket);
  };
  return {
    port,
    get openSockets() {
      return sockets.size;
    },
    get accepted() {
      return accepted;
    },
    get sentBytes() {
      return [...sockets.values()].reduce((sum, socket) => sum + socket.bytesWritten, sentOverClosed);
    },
    connectionOf: (socket) => sockets.get(keyOf(socket)) ?? socket,
    destroyConnections,
    async kill() {
      if (!tcp.listening) return;
      const closed = [new Promise((resolve) => tcp.close(resolve))];
      for (const socket of sockets.values()) closed.push(new Promise((resolve) => socket.once('close', resolve)));
      destroyConnections();
      await Promise.all(closed);
    },
    async revive() {
      if (tcp.listening) return;
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await listen(port);
        } catch (error) {
          // Between kill and revive a passing client socket may own the port for a moment.
          if (attempt === RELISTEN_ATTEMPTS) throw error;
          await new Promise((resolve) => setTimeout(resolve, RELISTEN_PAUSE_MS));
        }
      }
    },
  };
}

function httpServer(options: ListenerOptions): Server {
  // No timeouts of its own: a test which waits must see the deadlines of the client, not of this server.
  const settings = { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0, maxHeaderSize: 256 * 1024 };
  const server =
    options.tls === undefined
      ? createHttpServer(settings, options.onRequest)
      : createHttpsServer({ ...settings, ...options.tls }, options.onRequest);
  server.on('clientError', (_error, socket) => socket.destroy());
  return server;
}

function keyOf(socket: Socket): string {
  return `${socket.remoteAddress}|${socket.remotePort}`;
}
