import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from '@breakwater/registry-core';

export interface SlowClientsOptions {
  /** How long a client that it is up to may send nothing, in milliseconds; 0 = no client is ever cut. */
  readonly idleMs: number;
  /** Fewest bytes a second that it may send or take in the long run. */
  readonly minBytesPerS?: number;
  /**
   * Over how long that is averaged, in milliseconds: by default `idleMs` for what is sent, and for what is taken five times as
   * much, because the kernel says only now and then, after a third of a buffer of up to 4 MiB, that something was taken.
   */
  readonly sendingMs?: number;
  readonly takingMs?: number;
  readonly logger: Logger;
}

/** Connections that were cut since the start, by what the client was slow at. */
export interface SlowClientFacts {
  readonly sending: number;
  readonly taking: number;
}

type Slow = keyof SlowClientFacts;

const MIN_BYTES_PER_S = 4 * 1024;
/** What is on its way to a client counts as taken only when a whole piece is, so that one piece is allowed for. */
const PIECE_BYTES = 1024 * 1024;
const LOOKS_PER_WINDOW = 12;
/** How often it is logged, in milliseconds. */
const LOG_EVERY_MS = 60_000;

/** Since when it has been up to the client, without a break, and how far it was then. Monotonic milliseconds. */
interface Window {
  readonly since: number;
  readonly bytes: number;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  sending?: Window;
  taking?: Window;
}

/**
 * Cuts clients that hold a connection and neither send nor take (S36). A whole request has no deadline: a push of a large
 * layer may take hours. What the registry itself takes long for, a slow disk or upstream, is never a client's fault.
 */
export class SlowClients {
  readonly #exchanges = new Map<Socket, Exchange>();
  readonly #cut = { sending: 0, taking: 0 };
  readonly #minBytesPerS: number;
  readonly #windows: Readonly<Record<Slow, number>>;
  #loggedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: SlowClientsOptions) {
    const { idleMs, minBytesPerS = MIN_BYTES_PER_S, sendingMs = idleMs, takingMs = 5 * idleMs } = options;
    this.#minBytesPerS = minBytesPerS;
    this.#windows = { sending: sendingMs, taking: takingMs };
  }

  get facts(): SlowClientFacts {
    return { ...this.#cut };
  }

  /** Watches the clients of a server until it is closed. */
  guard(server: Server): void {
    const { idleMs } = this.options;
    if (idleMs === 0) return;
    // Node says that nothing moves. Whose fault it is, it does not.
    server.timeout = idleMs;
    server.on('timeout', (socket) => this.#silent(socket));
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#watch(request, response));
    const timer = setInterval(
      () => this.#look(),
      Math.min(this.#windows.sending, this.#windows.taking) / LOOKS_PER_WINDOW,
    ).unref();
    server.once('close', () => clearInterval(timer));
  }

  #watch(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    if (!this.#exchanges.has(socket)) socket.once('close', () => this.#exchanges.delete(socket));
    this.#exchanges.set(socket, { request, response });
  }

  #silent(socket: Socket): void {
    const exchange = this.#exchanges.get(socket);
    // Between two requests: the keep-alive time-out.
    if (exchange === undefined || (exchange.response.writableFinished && exchange.request.complete)) socket.destroy();
    else if (isSending(exchange) && !isTaking(socket)) this.#end(socket, 'sending');
    else socket.setTimeout(this.options.idleMs);
  }

  #look(): void {
    const now = performance.now();
    for (const [socket, exchange] of this.#exchanges) {
      this.#measure(socket, exchange, 'sending', isSending(exchange), socket.bytesRead, now);
      const taken = socket.bytesWritten - socket.writableLength;
      this.#measure(socket, exchange, 'taking', isTaking(socket), taken, now);
    }
  }

  #measure(socket: Socket, exchange: Exchange, slow: Slow, isUpToClient: boolean, bytes: number, now: number): void {
    const window = exchange[slow];
    if (!isUpToClient) delete exchange[slow];
    else if (window === undefined) exchange[slow] = { since: now, bytes };
    else if (now - window.since >= this.#windows[slow]) {
      if (this.#isTooSlow(slow, bytes - window.bytes, now - window.since)) this.#end(socket, slow);
      else delete exchange[slow];
    }
  }

  #isTooSlow(slow: Slow, moved: number, ms: number): boolean {
    const counted = slow === 'taking' && moved > 0 ? moved + PIECE_BYTES : moved;
    return counted < (this.#minBytesPerS * ms) / 1_000;
  }

  #end(socket: Socket, slow: Slow): void {
    this.#cut[slow] += 1;
    const now = performance.now();
    if (now - this.#loggedAt >= LOG_EVERY_MS) {
      this.#loggedAt = now;
      this.options.logger.info({ address: socket.remoteAddress, slow }, 'clients that do not go on are cut');
    }
    socket.destroy();
  }
}

/** Whether the request waits for more of its body, and nothing of it waits for us. */
function isSending({ request }: Exchange): boolean {
  return !request.complete && request.readableLength === 0;
}

/** Whether something waits to be taken by the client. */
function isTaking(socket: Socket): boolean {
  return socket.writableLength > 0;
}
