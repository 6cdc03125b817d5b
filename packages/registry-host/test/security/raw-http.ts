import { connect } from 'node:net';

/** What came back on one connection. */
export interface RawExchange {
  /** The status of each answer, in order. */
  readonly statuses: readonly number[];
  readonly text: string;
  /** False when the other side kept the connection open although ours was closed. */
  readonly closed: boolean;
}

/** Anywhere: the body before it need not end with a line. */
const STATUS = /HTTP\/1\.[01] (\d{3}) /g;

export interface ExchangeOptions {
  /** How long the other side has to close the connection, ms; it is given up then. */
  readonly timeoutMs?: number;
  /** After so many ms without a byte it is told that no more will come; absent = never. */
  readonly idleMs?: number;
}

/** Writes bytes to a port and reads until the other side closes. */
export function exchange(port: number, bytes: Buffer | string, options: ExchangeOptions = {}): Promise<RawExchange> {
  const { timeoutMs = 10_000, idleMs } = options;
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (closed: boolean) => {
      clearTimeout(timer);
      clearTimeout(idle);
      socket.destroy();
      const text = Buffer.concat(chunks).toString('latin1');
      resolve({ statuses: [...text.matchAll(STATUS)].map(([, status]) => Number(status)), text, closed });
    };
    const timer = setTimeout(() => end(false), timeoutMs);
    const idle = idleMs === undefined ? undefined : setTimeout(() => socket.end(), idleMs);
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      idle?.refresh();
    });
    socket.once('error', () => end(true));
    socket.once('close', () => end(true));
    socket.write(bytes);
  });
}
