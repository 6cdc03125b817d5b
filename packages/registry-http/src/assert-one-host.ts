import type { IncomingMessage } from 'node:http';
import { RegistryError } from '@breakwater/registry-core';

/**
 * A request names one host (RFC 9112, 3.2): node takes the first of several, and what stands before it may take the last.
 *
 * @throws RegistryError UNSUPPORTED with status 400
 */
export function assertOneHost({ rawHeaders }: IncomingMessage): void {
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  if (hosts <= 1) return;
  throw new RegistryError('UNSUPPORTED', 'a request must name one Host', {
    status: 400,
    headers: { connection: 'close' },
  });
}
