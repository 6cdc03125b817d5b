import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Settings } from '@breakwater/org-settings';
import type { Logger, OrganizationName } from '@breakwater/registry-core';
import { hashPassword, verifyPassword } from '../access/password.js';
import type { Config } from '../config/read-config.js';
import { loadOrCreateSecret } from '../config/secret-file.js';
import type { PostgresOrganizations } from '../postgres/postgres-organizations.js';
import type { PostgresUsers } from '../postgres/postgres-users.js';

/** The name of the administrator that a first start makes. */
export const ADMINISTRATOR = 'admin';

const PASSWORD_FILE = 'admin-password';

/** The proxy organizations that a first start makes, and their upstreams. */
const SEEDED_ORGANIZATIONS: Readonly<Record<string, string>> = {
  dockerhub: 'docker.io',
  quay: 'quay.io',
  ghcr: 'ghcr.io',
  k8s: 'registry.k8s.io',
};
const SEEDED_CHECK_INTERVAL_S = 60 * 60;
const SEEDED_STALENESS_PERIOD_S = 3 * 24 * 60 * 60;

/** Where the administrator's password can be found; `undefined` when the operator set it. */
export interface SeededAdministrator {
  readonly passwordFile: string | undefined;
}

/**
 * Makes sure of the administrator: with the operator's password, which may change between starts, or with a generated
 * one in a file that only we can read.
 */
export async function seedAdministrator(config: Config, users: PostgresUsers): Promise<SeededAdministrator> {
  const passwordFile = config.adminPassword === undefined ? join(config.dataDir, PASSWORD_FILE) : undefined;
  const password = config.adminPassword ?? (await generatedPassword(config));
  const known = await users.find(ADMINISTRATOR);
  if (known === undefined || !(await verifyPassword(password, known.passwordHash))) {
    const passwordHash = await hashPassword(password);
    await users.put({ name: ADMINISTRATOR, passwordHash, isAdministrator: true });
  }
  return { passwordFile };
}

async function generatedPassword(config: Config): Promise<string> {
  const generate = () => randomBytes(18).toString('base64url');
  return (await loadOrCreateSecret(join(config.dataDir, PASSWORD_FILE), generate)).secret;
}

/** Makes the proxy organizations of a first start, when there is no organization at all yet. */
export async function seedOrganizations(
  config: Config,
  organizations: PostgresOrganizations,
  settings: Settings,
  logger: Logger,
): Promise<void> {
  if (!config.seedOrganizations) return;
  const { names: existing } = await organizations.list({ last: undefined, limit: 1 });
  if (existing.length > 0) return;
  for (const [name, upstream] of Object.entries(SEEDED_ORGANIZATIONS)) {
    const organization = name as OrganizationName;
    await organizations.create(organization);
    await settings.create(organization, {
      upstream,
      checkIntervalS: SEEDED_CHECK_INTERVAL_S,
      stalenessPeriodS: SEEDED_STALENESS_PERIOD_S,
      anonymousPull: config.loopbackOnly,
    });
  }
  logger.info({ organizations: Object.keys(SEEDED_ORGANIZATIONS) }, 'made the proxy organizations of a first start');
}

/**
 * Takes back the anonymous pull of the organizations that a first start made, once others than this machine can reach the
 * registry. Where an administrator has edited the settings, that is what counts.
 */
export async function withdrawSeededAnonymousPull(config: Config, settings: Settings, logger: Logger): Promise<void> {
  if (config.loopbackOnly) return;
  for (const name of Object.keys(SEEDED_ORGANIZATIONS)) {
    if (await settings.withdrawAnonymousPull(name as OrganizationName)) {
      logger.warn(
        { organization: name },
        'anonymous pull is off now that the registry listens beyond loopback; PUT anonymous_pull true to have it back',
      );
    }
  }
}
