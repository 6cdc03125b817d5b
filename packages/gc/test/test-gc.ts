import { createGc, type Gc, type GcOptions } from '@breakwater/gc';
import { type Access, RegistryError, silentLogger } from '@breakwater/registry-core';
import type { FakeRegistry } from './fake-registry.js';

/** An access of two: `admin` may administer, anybody else who names himself may not. */
const testAccess: Access = {
  authenticate: async (request) => {
    const name = request.headers.authorization;
    if (name === 'wrong') throw new RegistryError('UNAUTHORIZED');
    return name === undefined ? undefined : { name };
  },
  authorize: async (principal, action) => principal?.name === 'admin' && action === 'administer',
  challenge: () => 'Basic realm="test"',
};

/** A collector over a fake registry with nothing left out. */
export function gcOf(registry: FakeRegistry, options: Partial<GcOptions> = {}): Gc {
  return createGc({
    clock: registry.clock,
    logger: silentLogger,
    access: testAccess,
    tags: registry.tags,
    upstreams: registry.upstreams,
    sweep: registry.sweep,
    named: registry.named,
    stored: registry.stored,
    disposal: registry.disposal,
    use: registry.use,
    graceMs: 0,
    ...options,
  });
}
