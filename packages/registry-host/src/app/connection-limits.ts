import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock, Logger } from '@breakwater/registry-core';
import { clientAddress } from '@breakwater/registry-http';

export interface ConnectionLimitsOptions {
  /** Most connections of this process; 0 = no limit. */
  readonly most: number;
  /** Most connections from one address, or one /64 of IPv6; 0 = no limit. */
  readonly mostPerClient: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What of the connections is worth a metric. */
export interface ConnectionFacts {
  readonly open: number;
  /** Connections that were closed at once since the start, by the limit that they would have exceeded. */
  readonly refused: { readonly all: number; readonly client: number };
}

/** How often one limit is logged while it is exceeded, in milliseconds. */
const LOG_EVERY_MS = 60_000;

/**
 * Keeps clients from taking all connections there are (S36): one that comes above a limit is closed before a byte of it is
 * read. Behind a reverse proxy all clients have one address; what the limit should be then is for the operator to say.
 */
export class ConnectionLimits {
  readonly #perClient = new Map<string, number>();
  readonly #loggedAt = new Map<string, number>();
  readonly #refused = { all: 0, client: 0 };
  #open = 0;

  constructor(private readonly options: ConnectionLimitsOptions) {}

  get facts(): ConnectionFacts {
    return { open: this.#open, refused: { ...this.#refused } };
  }

  /** Holds a server to the limits from now on. */
  guard(server: Server): void {
    const { most } = this.options;
    if (most > 0) server.maxConnections = most;
    server.on('drop', () => {
      this.#refused.all += 1;
      this.#log('BREAKWATER_MAX_CONNECTIONS', most, {});
    });
    server.on('connection', (socket: Socket) => this.#admit(socket));
  }

  #admit(socket: Socket): void {
    const { mostPerClient } = this.options;
    const address = clientAddress(socket.remoteAddress);
    const before = this.#perClient.get(address) ?? 0;
    if (mostPerClient > 0 && before >= mostPerClient) {
      this.#refused.client += 1;
      socket.destroy();
      this.#log('BREAKWATER_MAX_CONNECTIONS_PER_CLIENT', mostPerClient, { address });
      return;
    }
    this.#open += 1;
    this.#perClient.set(address, before + 1);
    socket.once('close', () => {
      this.#open -= 1;
      const left = (this.#perClient.get(address) ?? 1) - 1;
      if (left === 0) this.#perClient.delete(address);
      else this.#perClient.set(address, left);
    });
  }

  #log(setting: string, limit: number, facts: { readonly address?: string }): void {
    const now = this.options.clock.now();
    const loggedAt = this.#loggedAt.get(setting);
    if (loggedAt !== undefined && now - loggedAt < LOG_EVERY_MS) return;
    this.#loggedAt.set(setting, now);
    this.options.logger.warn({ setting, limit, ...facts }, 'connections above a limit are closed');
  }
}
