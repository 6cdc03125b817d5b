import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const requestIdKey = Symbol.for('breakwater.request-id');
const ACCEPTED = /^[A-Za-z0-9._-]{8,64}$/;

/** The id under which a request is logged: the client's own `X-Request-Id` if it is a decent one, else a new one. */
export function requestId(request: IncomingMessage): string {
  const holder = request as IncomingMessage & { [requestIdKey]?: string };
  const known = holder[requestIdKey];
  if (known !== undefined) return known;
  const sent = request.headers['x-request-id'];
  const id = typeof sent === 'string' && ACCEPTED.test(sent) ? sent : randomUUID();
  holder[requestIdKey] = id;
  return id;
}
