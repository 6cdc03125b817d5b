import { type AgentOptions, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent, type AgentOptions as TlsAgentOptions } from 'node:https';
import { connect, isIP, type Socket } from 'node:net';
import { type SecureContext, connect as tlsConnect } from 'node:tls';
import { LRUCache } from 'lru-cache';
import type { ResolvedAddress } from '../ports.js';
import type { AddressGuard } from './address-guard.js';
import type { Deadlines } from './deadlines.js';
import { type Connected, openFor } from './opening-sockets.js';
import type { OutboundProxy } from './outbound-proxy.js';
import type { Resolver } from './resolver.js';
import { MIN_TLS_VERSION, trustAlso } from './trusted-certificates.js';
import { isUpstreamError, UpstreamError } from './upstream-error.js';

/** What it takes to open a connection that is allowed to be, and who hears of it. */
interface Dialing extends GuardedDialing {
  /** A connection is about to be opened. */
  onOpen(): void;
}

/** What it takes to open a connection that is allowed to be. */
export interface GuardedDialing {
  readonly guard: AddressGuard;
  readonly resolver: Resolver;
  readonly deadlines: Pick<Deadlines, 'connectMs' | 'tlsMs'>;
  /** Opens every connection for us, and resolves the names. */
  readonly proxy?: OutboundProxy | undefined;
  /** Most connections of one origin, open or being opened; default 96. */
  readonly maxSockets?: number | undefined;
}

interface ConnectOptions {
  readonly host?: string | null;
  readonly port?: number | string | null;
  readonly servername?: string;
}

/** How long happy eyeballs (RFC 8305) waits for one address before it tries the next beside it. */
const NEXT_ADDRESS_AFTER_MS = 250;
/** Sets of certificates that connections are kept open for; of those used longest ago they end. */
const MAX_TRUSTS = 100;
/** Connections of one origin, unless told: more than there are downloads, so that no check waits behind those (P15). */
const MAX_SOCKETS = 96;
/** How much of an answer is taken from its connection before somebody asks for it, in bytes: several packets at a time. */
const READ_AHEAD = { highWaterMark: 256 * 1024 };
const KEEP_ALIVE: AgentOptions = { keepAlive: true, maxFreeSockets: 16, scheduling: 'lifo' };

function keepAlive({ maxSockets = MAX_SOCKETS }: GuardedDialing): AgentOptions {
  return { ...KEEP_ALIVE, maxSockets };
}

/**
 * Opens a TCP connection to an allowed address only. Names are resolved here and the addresses that were judged are the
 * ones that are dialled; the address that was reached is judged once more before a byte is written (S2). A proxy is
 * trusted with the addresses of names (S6); addresses that stand in a URL themselves are judged all the same.
 */
async function dial(dialing: Dialing, options: ConnectOptions): Promise<Socket> {
  const host = String(options.host ?? 'localhost').replace(/^\[|\]$/g, '');
  const port = Number(options.port);
  const deadline = AbortSignal.timeout(dialing.deadlines.connectMs);
  const { proxy } = dialing;
  if (proxy !== undefined) return dialThrough(proxy, dialing, host, port, deadline);
  const addresses = await addressesOf(dialing, host, deadline);
  if (!addresses.every(({ address }) => dialing.guard.allows({ host, port, address }))) {
    throw new UpstreamError('blocked', 'the address of the upstream is not allowed');
  }
  const socket = await connectTo(dialing, host, port, addresses, deadline);
  if (!dialing.guard.allows({ host, port, address: socket.remoteAddress ?? '' })) {
    socket.destroy();
    throw new UpstreamError('blocked', 'the address of the upstream is not allowed');
  }
  return socket;
}

async function dialThrough(
  proxy: OutboundProxy,
  dialing: Dialing,
  host: string,
  port: number,
  deadline: AbortSignal,
): Promise<Socket> {
  if (isIP(host) && !dialing.guard.allows({ host, port, address: host })) {
    throw new UpstreamError('blocked', 'the address of the upstream is not allowed');
  }
  const socket = await toProxy(proxy, dialing, deadline);
  await proxy.open(socket, host, port, deadline);
  return socket;
}

async function toProxy(proxy: OutboundProxy, dialing: Dialing, deadline: AbortSignal): Promise<Socket> {
  try {
    const addresses = await addressesOf(dialing, proxy.host, deadline);
    return await connectTo(dialing, proxy.host, proxy.port, addresses, deadline);
  } catch (cause) {
    // Neither its name nor its silence is the upstream's.
    throw new UpstreamError('connect', 'no connection to the outbound proxy', { cause });
  }
}

async function addressesOf(
  dialing: GuardedDialing,
  host: string,
  deadline: AbortSignal,
): Promise<readonly ResolvedAddress[]> {
  const family = isIP(host);
  if (family !== 0) return [{ address: host, family: family === 6 ? 6 : 4 }];
  return within(deadline, dialing.resolver.resolve(host));
}

async function connectTo(
  dialing: Dialing,
  host: string,
  port: number,
  addresses: readonly ResolvedAddress[],
  deadline: AbortSignal,
): Promise<Socket> {
  dialing.onOpen();
  const socket = connect({
    host,
    port,
    ...READ_AHEAD,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_AFTER_MS,
    lookup: (_name, lookupOptions, done) => {
      if (lookupOptions.all) done(null, [...addresses]);
      else done(null, addresses[0]?.address ?? '', addresses[0]?.family);
    },
  });
  await connected(socket, 'connect', deadline);
  socket.setNoDelay(true);
  return socket;
}

async function dialTls(
  dialing: Dialing,
  options: ConnectOptions,
  trust: (() => SecureContext) | undefined,
): Promise<Socket> {
  const raw = await dial(dialing, options);
  const host = String(options.host ?? '').replace(/^\[|\]$/g, '');
  try {
    const socket = tlsConnect({
      socket: raw,
      ...READ_AHEAD,
      servername: isIP(host) ? '' : host,
      ALPNProtocols: ['http/1.1'],
      host,
      ...(trust === undefined ? { minVersion: MIN_TLS_VERSION } : { secureContext: trust() }),
    });
    await connected(socket, 'secureConnect', AbortSignal.timeout(dialing.deadlines.tlsMs));
    return socket;
  } catch (error) {
    raw.destroy();
    throw isUpstreamError(error) && error.failureClass === 'timeout'
      ? error
      : new UpstreamError('tls', 'no trusted TLS connection to the upstream', { cause: error });
  }
}

function connected(socket: Socket, event: 'connect' | 'secureConnect', deadline: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      socket.removeListener(event, succeed);
      socket.removeListener('error', fail);
      socket.removeListener('close', closed);
      deadline.removeEventListener('abort', expire);
      if (error === undefined) return resolve();
      // The socket may fail once more while it is torn down; nobody is interested then.
      socket.on('error', () => undefined);
      socket.destroy();
      reject(error);
    };
    const succeed = () => settle();
    const fail = (cause: Error) => settle(new UpstreamError('connect', 'no connection to the upstream', { cause }));
    const closed = () => settle(new UpstreamError('connect', 'the upstream closed the connection'));
    const expire = () => settle(new UpstreamError('timeout', 'the upstream did not answer in time'));
    if (deadline.aborted) return expire();
    socket.once(event, succeed);
    socket.once('error', fail);
    socket.once('close', closed);
    deadline.addEventListener('abort', expire, { once: true });
  });
}

function within<T>(deadline: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const expire = () => reject(new UpstreamError('timeout', 'the name of the upstream was not resolved in time'));
    if (deadline.aborted) return expire();
    deadline.addEventListener('abort', expire, { once: true });
    promise.then(resolve, reject).finally(() => deadline.removeEventListener('abort', expire));
  });
}

class GuardedHttpAgent extends HttpAgent {
  constructor(private readonly dialing: Dialing) {
    super(keepAlive(dialing));
  }

  override createConnection(options: ConnectOptions, done?: Connected): undefined {
    openFor(this, this.getName(options), dial(this.dialing, options), done);
  }
}

class GuardedHttpsAgent extends HttpsAgent {
  readonly #trust: (() => SecureContext) | undefined;

  constructor(
    private readonly dialing: Dialing,
    caPem?: string,
  ) {
    super(keepAlive(dialing) as TlsAgentOptions);
    this.#trust = caPem === undefined ? undefined : trustAlso(caPem);
  }

  /** Keeps no connection open any more. Those in use end with their answers. */
  retire(): void {
    this.maxFreeSockets = 0;
    for (const sockets of Object.values(this.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  override createConnection(options: ConnectOptions, done?: Connected): undefined {
    openFor(this, this.getName(options), dialTls(this.dialing, options, this.#trust), done);
  }
}

/** The keep-alive agents through which everything outbound goes. The guard judges every new connection. */
export class GuardedAgents {
  readonly http: HttpAgent;
  readonly #https: GuardedHttpsAgent;
  /** By certificates, so that a connection which some of them vouch for is never used where they are not trusted. */
  readonly #trusting: LRUCache<string, GuardedHttpsAgent>;

  readonly #dialing: Dialing;
  #opened = 0;

  constructor(dialing: GuardedDialing, maxTrusts = MAX_TRUSTS) {
    this.#dialing = {
      ...dialing,
      onOpen: () => {
        this.#opened += 1;
      },
    };
    this.#trusting = new LRUCache({ max: maxTrusts, dispose: (agent) => agent.retire() });
    this.http = new GuardedHttpAgent(this.#dialing);
    this.#https = new GuardedHttpsAgent(this.#dialing);
  }

  /** Connections that were begun to be opened so far, whatever became of them. */
  get opened(): number {
    return this.#opened;
  }

  /** The agent for TLS with these PEM certificates trusted beside the usual ones. */
  https(caPem?: string): HttpsAgent {
    if (caPem === undefined) return this.#https;
    const known = this.#trusting.get(caPem);
    if (known !== undefined) return known;
    const agent = new GuardedHttpsAgent(this.#dialing, caPem);
    this.#trusting.set(caPem, agent);
    return agent;
  }

  /** Ends every connection. */
  destroy(): void {
    this.http.destroy();
    this.#https.destroy();
    for (const agent of this.#trusting.values()) agent.destroy();
  }
}
