import type { Socket } from 'node:net';

/**
 * Ends a connection with a reset. One that is just being ended cannot be reset: Node's call fails then, and the socket stays
 * open without ever saying so; it is closed instead.
 */
export function resetConnection(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
