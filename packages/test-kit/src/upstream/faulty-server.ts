import type { IncomingMessage } from 'node:http';
import type { SecureContextOptions } from 'node:tls';
import { type AnswerPlan, sendAnswer } from './answer-plan.js';
import type { FaultList } from './faults.js';
import { type Listener, startListener } from './listener.js';
import { resetConnection } from './reset-connection.js';
import { parseTarget, type UpstreamRequest, type UpstreamServer } from './upstream-request.js';

export interface FaultyServerOptions {
  readonly server: UpstreamServer;
  readonly address: string;
  readonly port: number;
  /** The name in the origin. */
  readonly hostName: string;
  readonly tls?: SecureContextOptions;
  readonly faults: FaultList;
  /** Every request is noted here as it comes. */
  readonly requests: UpstreamRequest[];
  /** The answer that a request gets unless a fault befalls it. A rejection resets the connection. */
  readonly answer: (request: UpstreamRequest, message: IncomingMessage) => Promise<AnswerPlan>;
}

/** An HTTP server whose every answer passes through a list of faults. */
export interface FaultyServer {
  readonly listener: Listener;
  /** `http://127.0.0.1:1234` */
  readonly origin: string;
}

/** Starts a server. The end of its listener is its own. */
export async function startFaultyServer(options: FaultyServerOptions): Promise<FaultyServer> {
  const { server, faults, requests } = options;
  const listener = await startListener({
    address: options.address,
    port: options.port,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    onRequest: (message, response) => {
      // Looked up at once: a socket that closes while the answer is made is no longer known.
      const connection = listener.connectionOf(message.socket);
      const path = message.url ?? '/';
      const request: UpstreamRequest = {
        ...parseTarget(path),
        server,
        origin,
        method: message.method ?? 'GET',
        path,
        headers: message.headers,
        at: Date.now(),
      };
      requests.push(request);
      options.answer(request, message).then(
        (meant) => sendAnswer(faults.apply(request, meant), { response, connection }),
        () => resetConnection(connection),
      );
    },
    fateOfConnection: () => faults.fateOfConnection(server),
  });
  const origin = `${options.tls === undefined ? 'http' : 'https'}://${options.hostName}:${listener.port}`;
  return { listener, origin };
}

/** An address as it stands in a URL. */
export function hostNameOf(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}
