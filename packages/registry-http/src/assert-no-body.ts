import type { IncomingMessage } from 'node:http';
import { RegistryError } from '@breakwater/registry-core';

/**
 * GET and HEAD come without a body (S35): servers and proxies disagree about what follows one, which is how requests are
 * smuggled. The answer ends the connection, so that nothing behind the head is ever taken for another request.
 *
 * @throws RegistryError UNSUPPORTED with status 400
 */
export function assertNoBody(request: IncomingMessage): void {
  if (request.method !== 'GET' && request.method !== 'HEAD') return;
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  if (encoding === undefined && (length === undefined || Number(length) === 0)) return;
  const message = `a ${request.method} must come without a body: leave out the body, Content-Length and Transfer-Encoding`;
  throw new RegistryError('UNSUPPORTED', message, { status: 400, headers: { connection: 'close' } });
}
