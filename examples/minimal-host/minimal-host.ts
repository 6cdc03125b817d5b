import { createGc, gcMigrations } from '@breakwater/gc';
import { createOrgSettings, type OrgSettingsOptions, orgSettingsMigrations } from '@breakwater/org-settings';
import { createProxyCache, type ProxyCache, proxyCacheMigrations } from '@breakwater/proxy-cache';
import { type Access, type Clock, silentLogger as logger, RegistryError } from '@breakwater/registry-core';
import type { Application } from 'express';
import type { Knex } from 'knex';
import { OwnContent } from './own-content.js';

/** Users of its own: the owner may do everything, anybody may pull. */
const accessFor = (ownersHeader: string): Access => ({
  async authenticate({ headers: { authorization } }) {
    if (authorization === undefined) return undefined;
    if (authorization === ownersHeader) return { name: 'owner' };
    throw new RegistryError('UNAUTHORIZED');
  },
  authorize: async (principal, action) => principal !== undefined || action === 'pull',
  challenge: () => 'Basic realm="minimal host"',
});

export interface HostOptions {
  readonly clock: Clock;
  /** 32 bytes that upstream passwords are sealed with. */
  readonly secretKey: Uint8Array;
  /** What the owner sends as `Authorization`. */
  readonly ownersHeader: string;
  /** Upstreams whose address is not public. */
  readonly allowedHosts: readonly string[];
}

/** Adds proxied organizations to an app of Express 4 or 5. */
export async function addBreakwater(app: Application, knex: Knex, directory: string, options: HostOptions) {
  const { clock, secretKey, ownersHeader, allowedHosts } = options;
  for (const tables of [orgSettingsMigrations(), proxyCacheMigrations(), gcMigrations()]) {
    await knex.migrate.latest(tables);
  }
  const base = { knex, clock, logger, access: accessFor(ownersHeader) };
  const content = new OwnContent(directory, clock);
  // org-settings and proxy-cache need something of each other: one gets it through functions that are called later.
  const probe: OrgSettingsOptions['probe'] = {
    validate: (candidate) => proxyCache.probe.validate(candidate),
    test: (candidate, sample) => proxyCache.probe.test(candidate, sample),
    isAllowed: (address, insecure) => proxyCache.probe.isAllowed(address, insecure),
  };
  const orgSettings = createOrgSettings({ ...base, organizations: { exists: async () => true }, probe, secretKey });
  const stores = { manifests: content, blobs: content, spoolDirectory: `${directory}/spool` };
  const proxyCache: ProxyCache = createProxyCache({ ...base, ...stores, settings: orgSettings.settings, allowedHosts });
  const { tags, released, upstreams } = proxyCache;
  const gc = createGc({ ...base, tags, released, upstreams, sweep: content });
  app.use(gc.middleware(), proxyCache.middleware(), orgSettings.router(), proxyCache.router(), orgSettings.page());
  await proxyCache.start();
  return { gc, close: () => Promise.all([gc.stop(), proxyCache.close(), orgSettings.close()]) };
}
