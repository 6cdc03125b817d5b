import { connect, type Socket } from 'node:net';

/** Where raw connections go, and the address that they come from. */
export interface SocketTarget {
  readonly url: string;
  /** An address of 127.0.0.0/8. */
  readonly from?: string;
}

/** A connection that sends `head` and then nothing by itself, and reads nothing. Resolves when it is open, or was refused. */
export async function rawConnection({ url, from = '127.0.0.1' }: SocketTarget, head: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), localAddress: from });
  socket.on('error', () => undefined);
  socket.pause();
  await new Promise((settled) => socket.once('connect', settled).once('close', settled));
  if (!socket.destroyed) socket.write(head);
  return socket;
}

/** Resolves when a connection is closed by the other side; what it has sent is read and dropped. */
export async function closed(socket: Socket): Promise<void> {
  socket.resume();
  if (!socket.destroyed) await new Promise((settled) => socket.once('close', settled));
}
