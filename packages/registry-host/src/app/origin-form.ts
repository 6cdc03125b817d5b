import type { IncomingMessage } from 'node:http';

const ABSOLUTE = /^https?:\/\/([^/?#]*)([^#]*)/i;

/**
 * Makes of a request for a whole URL one for its path, with the URL's host as its own: whoever takes us for a proxy asks so,
 * and servers have to take it (RFC 9112, 3.2.2). Nothing is asked of that host.
 */
export function toOriginForm(request: IncomingMessage): void {
  const match = ABSOLUTE.exec(request.url ?? '');
  if (match === null) return;
  const [, host = '', rest = ''] = match;
  request.url = rest.startsWith('/') ? rest : `/${rest}`;
  request.headers.host = host;
}
