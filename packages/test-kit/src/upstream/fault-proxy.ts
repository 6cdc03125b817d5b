import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import type { AnswerPlan } from './answer-plan.js';
import { type Fault, type FaultHandle, FaultList, type FaultScope } from './faults.js';
import { hostNameOf, startFaultyServer } from './faulty-server.js';
import { matchesRequest, type RequestMatcher, type UpstreamRequest } from './upstream-request.js';

export interface FaultProxyOptions {
  /** The origin that stands behind: `http://127.0.0.1:5001`. */
  readonly target: string;
  readonly address?: string;
  readonly port?: number;
  readonly hostName?: string;
}

/**
 * Stands before a real registry and passes everything on, until told otherwise: then that registry seems to have any
 * of the faults of the fault upstream. Its requests count as `server: 'registry'`.
 */
export interface FaultProxy extends AsyncDisposable {
  /** `host:port`, as in an upstream setting. */
  readonly host: string;
  readonly port: number;
  readonly origin: string;
  /** `fault({ kind: 'status', status: 503 })` for everything, with `{ match: { kind: 'manifest' } }` for manifests only. */
  fault(fault: Fault, scope?: FaultScope): FaultHandle;
  clearFaults(): void;
  readonly requests: readonly UpstreamRequest[];
  count(matcher?: RequestMatcher): number;
  reset(): void;
  readonly openSockets: number;
  readonly acceptedConnections: number;
  /** Resets every open connection. */
  dropConnections(): void;
  /** Refuses connections from now on, and resets those that are open. */
  kill(): Promise<void>;
  /** Is back on the same port. */
  revive(): Promise<void>;
  close(): Promise<void>;
}

/** These are of one connection, not of the answer (RFC 9110, 7.6.1), or made anew when it is sent. */
const NOT_PASSED_ON: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length']);

/** Starts a proxy. Answers are held in memory while they are passed on: it is for tests, not for large images. */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const { target, address = '127.0.0.1' } = options;
  const hostName = options.hostName ?? hostNameOf(address);
  const faults = new FaultList();
  const requests: UpstreamRequest[] = [];
  const { listener, origin } = await startFaultyServer({
    server: 'registry',
    address,
    port: options.port ?? 0,
    hostName,
    faults,
    requests,
    answer: (request, message) => askTarget(target, request, message, faults.ignoresRange(request)),
  });
  return {
    host: `${hostName}:${listener.port}`,
    port: listener.port,
    origin,
    fault(fault, scope = {}) {
      if (fault.kind === 'connection') listener.destroyConnections();
      return faults.add(fault, scope);
    },
    clearFaults: () => faults.clear(),
    requests,
    count: (matcher = {}) => requests.filter((request) => matchesRequest(matcher, request)).length,
    reset() {
      requests.length = 0;
    },
    get openSockets() {
      return listener.openSockets;
    },
    get acceptedConnections() {
      return listener.accepted;
    },
    dropConnections: () => listener.destroyConnections(),
    kill: () => listener.kill(),
    revive: () => listener.revive(),
    close: () => listener.kill(),
    [Symbol.asyncDispose]: () => listener.kill(),
  };
}

function askTarget(
  target: string,
  request: UpstreamRequest,
  message: IncomingMessage,
  ignoreRange: boolean,
): Promise<AnswerPlan> {
  const { connection: _connection, range, ...headers } = request.headers;
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(`${target}${request.path}`, {
      method: request.method,
      headers: { ...headers, ...(range === undefined || ignoreRange ? {} : { range }) },
      agent: false,
    });
    outgoing.on('error', reject);
    // When the client gives up, so does the proxy. The connection outlives the request, the listener must not.
    const giveUp = () => outgoing.destroy();
    message.socket.once('close', giveUp);
    outgoing.once('close', () => message.socket.removeListener('close', giveUp));
    outgoing.once('response', (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.once('end', () => {
        const body = Buffer.concat(chunks);
        const length = request.method === 'HEAD' ? incoming.headers['content-length'] : undefined;
        resolve({
          status: incoming.statusCode ?? 0,
          reasonPhrase: incoming.statusMessage ?? '',
          headers: {
            ...passedOn(incoming.headers),
            ...(length === undefined ? {} : { 'Content-Length': length }),
          },
          body,
        });
      });
    });
    message.pipe(outgoing);
  });
}

function passedOn(headers: IncomingMessage['headers']): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !NOT_PASSED_ON.has(name)));
}
