import { createProxyCache, proxyCacheMigrations } from '@breakwater/proxy-cache';
import type { Access, BlobStore, Logger, ManifestStore, ProxyCacheSettings } from '@breakwater/registry-core';
import { systemClock } from '@breakwater/registry-core';
import type { Express } from 'express';
import type { Knex } from 'knex';

/** What your registry has already. Each interface has one to three methods. */
interface YourRegistry {
  readonly app: Express;
  readonly knex: Knex; // Postgres; the pool stays yours
  readonly manifests: ManifestStore;
  readonly blobs: BlobStore;
  readonly access: Access; // your authentication and authorization
  readonly logger: Logger; // pino fits
}

/** Proxies the organizations that `settings` has. Your own routes, mounted after it, get everything else. */
export async function addProxyCache(registry: YourRegistry, settings: ReadonlyMap<string, ProxyCacheSettings>) {
  const { app, knex, manifests, blobs, access, logger } = registry;
  await knex.migrate.latest(proxyCacheMigrations());
  const proxyCache = createProxyCache({
    knex,
    manifests,
    blobs,
    access,
    logger,
    clock: systemClock,
    settings: { find: async (organization) => settings.get(organization) },
    spoolDirectory: '/var/lib/registry/spool', // on the file system of your blobs: then importing is a rename
    allowedHosts: ['registry.lan:5000'], // upstreams whose address is not public
  });
  proxyCache.events.on('shielded-pull', ({ repository, reference }) => {
    logger.warn({ repository, reference }, 'served without asking the upstream');
  });
  app.use(proxyCache.middleware()); // at the root, before your own /v2 routes
  await proxyCache.start();
  return proxyCache; // await proxyCache.close() when the process ends
}
