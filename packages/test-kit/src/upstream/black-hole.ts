import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

/** An address where the first packet of a connection gets no answer at all. */
export interface BlackHole extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

const HOST = '127.0.0.1';
const MAX_FILLERS = 64;
const CONNECTED_WITHIN_MS = 250;

/** Listens with the shortest queue, and never accepts: a thread that is blocked cannot. */
const LISTEN_AND_BLOCK = `
  const { parentPort } = require('node:worker_threads');
  const server = require('node:net').createServer();
  server.listen({ host: '${HOST}', port: 0, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
`;

/**
 * Makes a black hole on loopback, without rights and without a firewall: the queue of a listening socket is filled, and
 * from then on the system drops the SYN of whoever else comes.
 *
 * @throws Error when the system goes on accepting
 */
export async function startBlackHole(): Promise<BlackHole> {
  const worker = new Worker(LISTEN_AND_BLOCK, { eval: true });
  const fillers: Socket[] = [];
  const close = async () => {
    for (const filler of fillers) filler.destroy();
    await worker.terminate();
  };
  try {
    const port = await new Promise<number>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    while (await connects(port, fillers)) {
      if (fillers.length >= MAX_FILLERS) throw new Error('the queue of the listening socket does not fill');
    }
    return { host: `${HOST}:${port}`, port, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

function connects(port: number, fillers: Socket[]): Promise<boolean> {
  return new Promise((resolve) => {
    const filler = connect(port, HOST);
    fillers.push(filler);
    const timer = setTimeout(() => resolve(false), CONNECTED_WITHIN_MS);
    filler.once('connect', () => {
      clearTimeout(timer);
      resolve(true);
    });
    filler.on('error', () => undefined);
  });
}
