import type { Agent } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** What node's agent wants to be told: the connection, or why there is none. */
export type Connected = (error: Error | null, socket: Duplex) => void;

/** Holds a place among an agent's connections. It is never connected. */
class Place extends Socket {}

type Places = NodeJS.Dict<Socket[]>;
type Waiting = NodeJS.Dict<WaitingRequest[]>;

/** As much of a ClientRequest as it takes to end one that has no connection. */
interface WaitingRequest {
  destroy(error: Error): void;
  onSocket(socket: undefined): void;
}

/**
 * Gives an agent the connection that is being opened for it. Meanwhile it has a place among the agent's connections, where
 * node only counts what is open: so `maxSockets` bounds the ones that are still being opened, too (F2), and what comes above
 * that waits. `name` is the agent's for the origin.
 *
 * When no connection could be opened and none is open, nobody who waits for one has to find that out anew.
 */
export function openFor(agent: Agent, name: string, opening: Promise<Socket>, done: Connected | undefined): void {
  const leave = takePlace(agent, name);
  opening.then(
    (socket) => {
      leave();
      done?.(null, socket);
    },
    (error: Error) => {
      leave();
      // Node's agent looks at the error alone when there is one, but its type asks for a stream beside it.
      (done as ((error: Error) => void) | undefined)?.(error);
      if (!isConnected(agent, name)) giveUpWaiting(agent, name, error);
    },
  );
}

/** Takes a place; the returned function leaves it. */
function takePlace(agent: Agent, name: string): () => void {
  const sockets = agent.sockets as Places;
  const place = new Place();
  const taken = sockets[name];
  if (taken === undefined) sockets[name] = [place];
  else taken.push(place);
  return () => {
    const left = sockets[name];
    const at = left?.indexOf(place) ?? -1;
    if (left === undefined || at === -1) return;
    left.splice(at, 1);
    if (left.length === 0) delete sockets[name];
  };
}

function isConnected(agent: Agent, name: string): boolean {
  return (agent.sockets[name] ?? []).some((socket) => !(socket instanceof Place));
}

function giveUpWaiting(agent: Agent, name: string, error: Error): void {
  const requests = agent.requests as unknown as Waiting;
  const waiting = requests[name] ?? [];
  delete requests[name];
  for (const request of waiting) {
    request.destroy(error);
    // It tells of its end only once it has heard of a connection, or that there is none.
    request.onSocket(undefined);
  }
}
