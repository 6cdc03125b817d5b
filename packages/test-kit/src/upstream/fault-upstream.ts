import type { IncomingMessage } from 'node:http';
import type { SecureContextOptions } from 'node:tls';
import { type Clock, systemClock } from '@breakwater/registry-core';
import type { BuiltContent } from '../images/image-builder.js';
import type { AnswerPlan } from './answer-plan.js';
import { type Fault, type FaultHandle, FaultList, type FaultScope } from './faults.js';
import { type FaultyServer, hostNameOf, startFaultyServer } from './faulty-server.js';
import { AuthGate, type UpstreamAuth } from './upstream-auth.js';
import { errorAnswer, UpstreamContent } from './upstream-content.js';
import { matchesRequest, type RequestMatcher, type UpstreamRequest, type UpstreamServer } from './upstream-request.js';

export interface FaultUpstreamOptions {
  /** Where to listen; 127.0.0.1 unless told. */
  readonly address?: string;
  /** The registry's port; chosen by the system unless told. The token server and the CDN always have one of their own. */
  readonly port?: number;
  /** The name in the origins, for clients that resolve names by themselves; the address unless told. */
  readonly hostName?: string;
  /** Key, certificate and protocol versions: all three servers speak TLS then. */
  readonly tls?: SecureContextOptions;
  readonly auth?: UpstreamAuth;
  /** The clock that tokens expire by. */
  readonly clock?: Clock;
}

/**
 * A registry made for tests: real HTTP on real sockets, in this process. It has three servers: the registry, the token
 * server and a CDN, each an origin of its own.
 */
export interface FaultUpstream extends AsyncDisposable {
  /** `host:port` of the registry, as in an upstream setting. */
  readonly host: string;
  readonly port: number;
  /** The origins of the three servers, `http://127.0.0.1:1234` say. */
  readonly origins: Readonly<Record<UpstreamServer, string>>;
  /** Takes in an image and, unless `tag` is `undefined`, points the tag to it. */
  add(repository: string, tag: string | undefined, content: BuiltContent): void;
  /** Moves a tag to another image. The first one can still be had by digest. */
  move(repository: string, tag: string, content: BuiltContent): void;
  /** Takes away a tag, the manifest or blob of a digest, or the whole repository. */
  remove(repository: string, reference?: string): void;
  setAuth(auth: UpstreamAuth): void;
  revokeTokens(): void;
  /** Makes something go wrong from now on. Connections that are open stay open, but for a `connection` fault. */
  fault(fault: Fault, scope?: FaultScope): FaultHandle;
  /** Blobs are answered with a redirect to this origin, the upstream's own CDN unless told, each with a new signature. */
  redirectBlobsTo(origin?: string): FaultHandle;
  clearFaults(): void;
  /** Every request since the start or the last `reset`, in order. */
  readonly requests: readonly UpstreamRequest[];
  /** How many of them fit; without a matcher, all of all three servers. */
  count(matcher?: RequestMatcher): number;
  /** Forgets the requests. */
  reset(): void;
  /** Connections that are open now, to all three servers. */
  readonly openSockets: number;
  /** Connections accepted since the start, by all three servers. */
  readonly acceptedConnections: number;
  /** Bytes written to connections since the start, by all three servers, heads and all. */
  readonly sentBytes: number;
  /** Resets every open connection, as a load balancer does that drops its idle ones. */
  dropConnections(): void;
  /** Dies like a process: connections are reset, new ones refused. All three servers unless told. */
  kill(server?: UpstreamServer): Promise<void>;
  /** Is back on the same port, with the same content. */
  revive(server?: UpstreamServer): Promise<void>;
  /** Ends for good. No socket and no timer stays. */
  close(): Promise<void>;
}

const SERVERS = ['registry', 'token', 'cdn'] as const satisfies readonly UpstreamServer[];
const MAX_FORM_BYTES = 64 * 1024;

/** Starts an upstream. `close` it, or use it with `await using`. */
export async function startFaultUpstream(options: FaultUpstreamOptions = {}): Promise<FaultUpstream> {
  const { address = '127.0.0.1', clock = systemClock, tls } = options;
  const content = new UpstreamContent();
  const faults = new FaultList();
  const requests: UpstreamRequest[] = [];
  const gate = new AuthGate(options.auth ?? { kind: 'none' }, {
    clock,
    realm: () => `${origins[tokenServer()]}/token`,
    hasRepository: (repository) => content.has(repository),
  });
  const tokenServer = () => (gate.auth.kind === 'bearer' && gate.auth.tokenServer === 'same' ? 'registry' : 'token');

  const answer = async (request: UpstreamRequest, message: IncomingMessage): Promise<AnswerPlan> => {
    if (request.server === tokenServer() && request.kind === 'token') {
      const parameters = request.method === 'POST' ? await readForm(message) : queryOf(request.path);
      return gate.issue({ authorization: request.headers.authorization, parameters });
    }
    message.resume();
    if (request.server === 'token') return errorAnswer(404, 'UNSUPPORTED');
    const refusal = request.server === 'cdn' ? undefined : gate.challenge(request, request.headers);
    if (refusal !== undefined) return refusal;
    if (request.method !== 'GET' && request.method !== 'HEAD') return errorAnswer(405, 'UNSUPPORTED');
    const { range: _, ...withoutRange } = request.headers;
    const headers = faults.ignoresRange(request) ? withoutRange : request.headers;
    return content.answer(request, headers, queryOf(request.path));
  };

  const hostName = options.hostName ?? hostNameOf(address);
  const start = (server: UpstreamServer, port: number) =>
    startFaultyServer({
      server,
      address,
      port,
      hostName,
      ...(tls === undefined ? {} : { tls }),
      faults,
      requests,
      answer,
    });
  const servers: Record<UpstreamServer, FaultyServer> = {
    registry: await start('registry', options.port ?? 0),
    token: await start('token', 0),
    cdn: await start('cdn', 0),
  };
  const origins = {
    registry: servers.registry.origin,
    token: servers.token.origin,
    cdn: servers.cdn.origin,
  };

  const all = (server?: UpstreamServer) =>
    (server === undefined ? SERVERS : [server]).map((name) => servers[name].listener);
  const kill = async (server?: UpstreamServer) => {
    await Promise.all(all(server).map((listener) => listener.kill()));
  };
  return {
    host: `${hostName}:${servers.registry.listener.port}`,
    port: servers.registry.listener.port,
    origins,
    add: (repository, tag, image) => content.add(repository, tag, image),
    move: (repository, tag, image) => content.add(repository, tag, image),
    remove: (repository, reference) => content.remove(repository, reference),
    setAuth(auth) {
      gate.auth = auth;
    },
    revokeTokens: () => gate.revokeTokens(),
    fault(fault, scope = {}) {
      // A kept-alive connection would never meet a fault that befalls new ones.
      if (fault.kind === 'connection') servers[scope.match?.server ?? 'registry'].listener.destroyConnections();
      return faults.add(fault, scope);
    },
    redirectBlobsTo: (origin = origins.cdn) =>
      faults.add({ kind: 'redirect-to-origin', origin }, { match: { kind: 'blob' } }),
    clearFaults: () => faults.clear(),
    requests,
    count: (matcher = {}) => requests.filter((request) => matchesRequest(matcher, request)).length,
    reset() {
      requests.length = 0;
    },
    get openSockets() {
      return all().reduce((sum, listener) => sum + listener.openSockets, 0);
    },
    get acceptedConnections() {
      return all().reduce((sum, listener) => sum + listener.accepted, 0);
    },
    get sentBytes() {
      return all().reduce((sum, listener) => sum + listener.sentBytes, 0);
    },
    dropConnections() {
      for (const listener of all()) listener.destroyConnections();
    },
    kill,
    async revive(server) {
      await Promise.all(all(server).map((listener) => listener.revive()));
    },
    close: () => kill(),
    [Symbol.asyncDispose]: () => kill(),
  };
}

function queryOf(path: string): URLSearchParams {
  const at = path.indexOf('?');
  return new URLSearchParams(at === -1 ? '' : path.slice(at + 1));
}

async function readForm(message: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message) {
    const bytes = Buffer.from(chunk);
    size += bytes.byteLength;
    if (size > MAX_FORM_BYTES) break;
    chunks.push(bytes);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}
