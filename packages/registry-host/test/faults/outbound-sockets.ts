import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

const CHANNEL = 'net.client.socket';

/** Counts the connections that this process begins to open, by what node itself tells of them (S6). */
export class OutboundSockets {
  #count = 0;
  #paused = false;
  #expected: readonly number[] = [];
  readonly #heard = (message: unknown) => this.#hear((message as { readonly socket: Socket }).socket);

  /** From now on, but for those to ports that the tests themselves ask, or expect to be asked. */
  countAllBut(...ports: readonly number[]): void {
    this.#expected = ports;
    subscribe(CHANNEL, this.#heard);
  }

  get count(): number {
    return this.#count;
  }

  /** What is opened meanwhile is the tests' own. */
  async pausedFor<T>(work: () => Promise<T>): Promise<T> {
    this.#paused = true;
    try {
      return await work();
    } finally {
      this.#paused = false;
    }
  }

  stop(): void {
    unsubscribe(CHANNEL, this.#heard);
  }

  #hear(socket: Socket): void {
    if (this.#paused) return;
    // The socket is told of before it knows where to; a Unix socket never says.
    socket.once('connectionAttempt', (_address: string, port: number) => {
      if (!this.#expected.includes(port)) this.#count += 1;
    });
  }
}
