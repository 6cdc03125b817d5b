import type { Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface DrainPeriods {
  /** How long connections are still accepted, so that whoever routes to us can notice. Milliseconds. */
  readonly acceptMs: number;
  /** How long requests under way may take to end. Milliseconds. */
  readonly finishMs: number;
  /** Waits so long, or rejects when the signal aborts. Default a timer. */
  readonly wait?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/** What an orderly shutdown takes (P18). */
export const DRAIN: DrainPeriods = { acceptMs: 5_000, finishMs: 30_000 };

const timer = (ms: number, signal?: AbortSignal): Promise<void> => sleep(ms, undefined, signal && { signal });

/** Stops a server: first new connections, then idle ones, and at the end the ones that would not finish. */
export async function drain(server: Server, { acceptMs, finishMs, wait = timer }: DrainPeriods): Promise<void> {
  if (!server.listening) return;
  await wait(acceptMs);
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  const idle = setInterval(() => server.closeIdleConnections(), 100);
  const finished = new AbortController();
  wait(finishMs, finished.signal).then(
    () => server.closeAllConnections(),
    () => undefined, // everything has ended before
  );
  await closed;
  clearInterval(idle);
  finished.abort();
}
